"""The settings: of `app.config`, or else of the environment."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask

from . import signed


def keys(app: Flask) -> tuple[bytes, ...]:
    """The keys of QRGATE_HOOK_SECRET, or of QRGATE_HOOK_SECRET_FILE: one, or several during a rotation."""
    secrets = words(app, "QRGATE_HOOK_SECRET")
    for path in paths(app, "QRGATE_HOOK_SECRET_FILE") if not secrets else []:
        secrets.extend(text_of(path).split())
    if not secrets:
        raise RuntimeError("QRGATE_HOOK_SECRET and QRGATE_HOOK_SECRET_FILE are not set")
    return keys_of(tuple(secrets))


def origins(app: Flask) -> list[str]:
    """The public origins of the site: QRGATE_ORIGINS."""
    return words(app, "QRGATE_ORIGINS")


def path(app: Flask) -> str:
    """Where browsers find qrgate: QRGATE_PATH, as `tickets.path` in proxy.toml."""
    return str(app.config.get("QRGATE_PATH", "/qr/"))


def problems(app: Flask) -> list[str]:
    """The mistakes in the settings."""
    found = []
    try:
        keys(app)
    except RuntimeError as error:
        found.append(f"{error}; the login hook responds 500")
    if not origins(app):
        found.append('QRGATE_ORIGINS is not set: ["https://app.example.com"]; the hooks refuse every call')
    for origin in origins(app):
        wrong = signed.what_is_wrong_with_origin(origin)
        if wrong:
            found.append(f"QRGATE_ORIGINS: {origin!r}: {wrong}")
    if app.config["SESSION_COOKIE_SECURE"] and not any(origin.startswith("https:") for origin in origins(app)):
        found.append(
            "SESSION_COOKIE_SECURE: browsers drop such cookies of an http site, and QRGATE_ORIGINS has http only"
        )
    return found


def words(app: Flask, name: str) -> list[str]:
    """A list, or the words of a text."""
    given = setting(app, name)
    return given.split() if isinstance(given, str) else [str(each).strip() for each in given]


def paths(app: Flask, name: str) -> list[str]:
    given = setting(app, name)
    given = [given] if isinstance(given, (str, os.PathLike)) else given
    return [os.fspath(each) for each in given if each]


def setting(app: Flask, name: str) -> Any:
    return app.config.get(name) or os.environ.get(name, "")


@lru_cache(maxsize=8)
def text_of(path: str) -> str:
    """The text of a file. It is read once in a process."""
    try:
        return Path(path).read_text()
    except OSError as error:
        raise RuntimeError(f"QRGATE_HOOK_SECRET_FILE: {error}") from error


@lru_cache(maxsize=8)
def keys_of(secrets: tuple[str, ...]) -> tuple[bytes, ...]:
    try:
        return tuple(signed.read_keys(secrets))
    except ValueError as error:
        raise RuntimeError(f"QRGATE_HOOK_SECRET: {error}") from None
