"""A project with the package in it. USER_MODEL=people.Member replaces the users by ones with UUIDs."""

import base64
import os

SECRET = "whsec_" + base64.b64encode(b"new secret" * 4).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"old secret" * 4).decode()

SECRET_KEY = "for tests only"
ALLOWED_HOSTS = ["app.example.com", "testserver"]
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "qrgate_django",
    "tests.people",
]
AUTH_USER_MODEL = os.environ.get("USER_MODEL", "auth.User")
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"
USE_TZ = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
LOGGING = {"version": 1, "loggers": {"qrgate_django": {"level": "CRITICAL"}}}

QRGATE_HOOK_SECRET = [SECRET, OLD_SECRET]
QRGATE_ORIGINS = ["https://app.example.com"]
