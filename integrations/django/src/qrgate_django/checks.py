"""System checks of the settings for `manage.py check`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.sessions.backends import cache as cache_sessions
from django.contrib.sessions.backends import signed_cookies
from django.core.checks import CheckMessage, Error, Info, Warning
from django.core.exceptions import ImproperlyConfigured
from django.http.request import validate_host
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from . import conf
from .signed import what_is_wrong_with_origin

NOT_SHARED = {
    "django.core.cache.backends.locmem.LocMemCache": "belongs to a single process",
    "django.core.cache.backends.dummy.DummyCache": "stores nothing",
    "django.core.cache.backends.filebased.FileBasedCache": "is shared on a single machine only",
}


def check_secret(**kwargs: Any) -> list[CheckMessage]:
    try:
        conf.keys()
    except ImproperlyConfigured as error:
        if "not set" not in str(error):
            return [Error(str(error), hint="`qrgate secret` prints a valid one.", id="qrgate.E001")]
        hint = (
            "Set one of them, as a setting or in the environment of the server. Until then the login hook responds 500."
        )
        return [Warning(str(error), hint=hint, id="qrgate.W001")]
    return []


def check_origins(**kwargs: Any) -> list[CheckMessage]:
    origins = conf.origins()
    if not origins:
        hint = 'QRGATE_ORIGINS = ["https://app.example.com"], as public.url. Without it every call is refused.'
        return [Warning("QRGATE_ORIGINS is not set", hint=hint, id="qrgate.W002")]
    hint = "An origin is scheme, host and, unless it is the scheme's default, port: https://app.example.com"
    wrong = [(origin, what_is_wrong_with_origin(origin)) for origin in origins]
    found: list[CheckMessage] = [
        Error(f"QRGATE_ORIGINS: {origin!r}: {why}", hint=hint, id="qrgate.E002") for origin, why in wrong if why
    ]
    return found or [*check_hosts(origins), *check_scheme(origins)]


def check_hosts(origins: list[str]) -> list[CheckMessage]:
    allowed = settings.ALLOWED_HOSTS or ([".localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    hosts = [
        urlsplit(origin).netloc.rsplit(":", 1)[0] if urlsplit(origin).port else urlsplit(origin).netloc
        for origin in origins
    ]
    hint = (
        "People who come to it get a 400. If qrgate sends another Host (application.host in proxy.toml), "
        "set USE_X_FORWARDED_HOST = True."
    )
    return [
        Warning(f"ALLOWED_HOSTS does not contain {host!r} of QRGATE_ORIGINS", hint=hint, id="qrgate.W003")
        for host in dict.fromkeys(hosts)
        if not validate_host(host, allowed)
    ]


def check_scheme(origins: list[str]) -> list[CheckMessage]:
    schemes = {urlsplit(origin).scheme for origin in origins}
    if "https" in schemes and not settings.SECURE_PROXY_SSL_HEADER:
        hint = (
            'SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https"), if clients come through qrgate only. '
            "Without it forms can fail with 403 (CSRF), and SECURE_SSL_REDIRECT redirects to the same address."
        )
        return [Warning("SECURE_PROXY_SSL_HEADER is not set, and qrgate serves https", hint=hint, id="qrgate.W004")]
    cookies = [name for name in ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE") if getattr(settings, name)]
    if schemes == {"http"} and cookies:
        hint = (
            "Browsers drop Secure cookies of an http site. Use https, or remove the setting while you try it on http."
        )
        return [Warning(f"{' and '.join(cookies)}: QRGATE_ORIGINS has http only", hint=hint, id="qrgate.W005")]
    return []


def check_sessions(**kwargs: Any) -> list[CheckMessage]:
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    if issubclass(store, signed_cookies.SessionStore):
        hint = (
            "The server cannot end such a session: leave login.revoke_path in proxy.toml empty, or change the engine."
        )
        return [
            Info("sessions are kept in signed cookies, so the revoke hook has no effect", hint=hint, id="qrgate.I001")
        ]
    backend = settings.CACHES.get(settings.SESSION_CACHE_ALIAS, {}).get("BACKEND", "")
    if issubclass(store, cache_sessions.SessionStore) and backend in NOT_SHARED:
        hint = (
            "With several processes people are signed out at random. Use a shared cache, or the default SESSION_ENGINE."
        )
        message = f"sessions are kept in a cache that {NOT_SHARED[backend]}: {backend}"
        return [Warning(message, hint=hint, id="qrgate.W006")]
    return []


def check_middleware(**kwargs: Any) -> list[CheckMessage]:
    own = "django.contrib.auth.middleware.LoginRequiredMiddleware"  # honours `login_not_required`
    walls = [path for path in settings.MIDDLEWARE if "loginrequired" in path.lower().replace("_", "") and path != own]
    hint = "The hooks must not redirect: exempt the paths below /_qr/ in the settings of this middleware."
    return [Warning(f"{path} may ask qrgate to sign in", hint=hint, id="qrgate.W007") for path in walls]


def check_urls(**kwargs: Any) -> list[CheckMessage]:
    try:
        reverse("qrgate:whoami")
        return []
    except (NoReverseMatch, AttributeError):  # the latter: no ROOT_URLCONF
        pass
    hint = 'urlpatterns += [path("_qr/", include("qrgate_django.urls"))]'
    return [
        Warning("the hooks have no address: qrgate_django.urls is not in ROOT_URLCONF", hint=hint, id="qrgate.W008")
    ]


ALL = [check_secret, check_origins, check_sessions, check_middleware, check_urls]
