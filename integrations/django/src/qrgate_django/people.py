"""Who may use a code, and when they last proved who they are."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, load_backend
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from . import conf

AUTH_TIME = "_qrgate_auth_time"
"""The key in a session of the Unix time at which its person last proved who they are."""


def remember_when(sender: Any, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Receives `user_logged_in`. `last_login` cannot be used, because the login hook updates it too."""
    if request is not None and hasattr(request, "session"):
        request.session[AUTH_TIME] = int(time.time())


def copy_auth_time(session: Any, auth_time: int | None) -> None:
    """Gives a session that a code opened the time of the session that showed the code."""
    session.pop(AUTH_TIME, None)
    if auth_time is not None:
        session[AUTH_TIME] = auth_time


def id_of(user: Any) -> str:
    """The primary key as text, the way Django writes it to a session."""
    return user._meta.pk.value_to_string(user)


def find(user_id: str) -> tuple[Any, str] | None:
    """An active user, and the first authentication backend that knows them."""
    try:
        pk = get_user_model()._meta.pk.to_python(user_id)
    except ValidationError:
        return None
    for path in settings.AUTHENTICATION_BACKENDS:
        try:
            user = load_backend(path).get_user(pk)
        except (ValueError, OverflowError):  # a key that the database cannot represent
            continue
        if user is not None and user.is_active:  # AllowAllUsersModelBackend gives inactive ones
            return user, path
    return None


def is_allowed(user: Any) -> bool:
    """Whether this user may be signed in by a code: not an administrator, unless QRGATE_ALLOW_ADMINISTRATORS."""
    return conf.allows_administrators() or not getattr(user, "is_superuser", False)


def may_show_code(request: HttpRequest, user: Any) -> bool:
    """Whether this session may show a code: QRGATE_ALLOW decides, for example by a second factor."""
    condition = conf.condition()
    return is_allowed(user) and (condition is None or condition(request, user) is True)
