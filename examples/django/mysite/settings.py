"""Settings of a small site with Django's own users, sessions and admin.

The lines an operator adds for qrgate stand between "qrgate:" marks.
"""

import os
from pathlib import Path

from django.core.management.utils import get_random_secret_key

BASE = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("DATA", BASE / "data"))


def kept(path, make):
    """The text of a file that is made on the first start, readable by its owner only."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as new:
            new.write(make())
    except FileExistsError:
        pass
    return path.read_text()


SECRET_KEY = kept(DATA / "django.secret", get_random_secret_key)
DEBUG = False
ALLOWED_HOSTS = ["*"]  # an example answers at any address, so that a phone can reach it; a real site names its own

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "mysite",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "mysite.urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DATA / "site.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},  # writers wait for one another instead of failing
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
STATIC_URL = "/static/"
USE_TZ = True

# qrgate: begin
# The secret that both sides know. A missing one stops the start: better than a hook that anyone can call.
QRGATE_HOOK_SECRET = os.environ["QRGATE_HOOK_SECRET"]

# Where people see the site: the login hook accepts calls for these origins alone. A real site writes its own here, as in
# public.url of proxy.toml: ["https://app.example.com"].
QRGATE_ORIGINS = os.environ["QRGATE_ORIGINS"].split()

# The login hook remembers which calls it has seen. All processes must see the same memory, and adding to it must be
# atomic: the database's cache is both, Django's default (LocMemCache) is neither.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},  # the default of 300 would forget calls on a busy morning
    }
}

# qrgate says by which scheme the browser came. To be believed only because nobody reaches this site but through
# qrgate: gunicorn listens on 127.0.0.1.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# qrgate: end
