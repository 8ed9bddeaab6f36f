"""The settings. QRGATE_HOOK_SECRET, QRGATE_HOOK_SECRET_FILE and QRGATE_ORIGINS may also be environment variables.

A setting is read when it is used, so that `override_settings` works in tests.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import get_script_prefix
from django.utils.module_loading import import_string

from . import signed


def keys() -> tuple[bytes, ...]:
    """The keys of QRGATE_HOOK_SECRET, or of QRGATE_HOOK_SECRET_FILE: one, or several during a rotation."""
    secrets = words("QRGATE_HOOK_SECRET") or [
        word for path in paths("QRGATE_HOOK_SECRET_FILE") for word in text_of(path).split()
    ]
    if not secrets:
        raise ImproperlyConfigured("QRGATE_HOOK_SECRET and QRGATE_HOOK_SECRET_FILE are not set")
    return keys_of(tuple(secrets))


def origins() -> list[str]:
    """The public origins of the site: QRGATE_ORIGINS."""
    return words("QRGATE_ORIGINS")


def button_path() -> str:
    """Where browsers find qrgate: QRGATE_PATH, as `tickets.path` in proxy.toml, below the path of the site."""
    return get_script_prefix() + str(getattr(settings, "QRGATE_PATH", "/qr/")).lstrip("/")


def allows_administrators() -> bool:
    return bool(getattr(settings, "QRGATE_ALLOW_ADMINISTRATORS", False))


def condition() -> Callable[[HttpRequest, Any], bool] | None:
    """The function of QRGATE_ALLOW, given itself or by its dotted path: `(request, user) -> bool`. None without one."""
    given = getattr(settings, "QRGATE_ALLOW", None)
    return import_string(given) if isinstance(given, str) else given


def words(name: str) -> list[str]:
    """A list, or the words of a text. The setting comes before the environment variable."""
    given = setting(name)
    return given.split() if isinstance(given, str) else [str(each).strip() for each in given]


def paths(name: str) -> list[str]:
    given = setting(name)
    given = [given] if isinstance(given, (str, os.PathLike)) else given
    return [os.fspath(each) for each in given if each]


def setting(name: str) -> Any:
    return getattr(settings, name, None) or os.environ.get(name, "")


@lru_cache(maxsize=8)
def text_of(path: str) -> str:
    """The text of a file. It is read once in a process."""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ImproperlyConfigured(f"QRGATE_HOOK_SECRET_FILE: {error}") from error


@lru_cache(maxsize=8)
def keys_of(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    try:
        return tuple(signed.read_keys(secrets))
    except ValueError as error:
        raise ImproperlyConfigured(f"QRGATE_HOOK_SECRET: {error}") from None
