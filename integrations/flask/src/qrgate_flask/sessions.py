"""The lifetime of a session, and ending it earlier, which Flask's sessions do not support."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from flask import Flask, Response, session

UNTIL = "_qrgate_until"
"""The key in a session of the Unix time at which it ends."""


def stay(length: str | int | None) -> None:
    """Gives this session the length that the person chose: seconds, "browser", or else that of the application."""
    if length == "browser":
        session.permanent = False
    elif isinstance(length, int):
        session.permanent = True
        session[UNTIL] = int(time.time()) + length


def let_them_end(interface: Any) -> None:
    """Makes the session interface respect `UNTIL`: in the cookie, and for a cookie that was kept longer."""
    if hasattr(interface, "_qrgate"):
        return
    interface._qrgate = True
    opened, expiration = interface.open_session, interface.get_expiration_time

    def until(session: Any) -> float | None:
        return dict.get(session, UNTIL) if isinstance(session, dict) else None  # no access that adds `Vary: Cookie`

    def open_session(app: Flask, request: Any) -> Any:
        session = opened(app, request)
        end = until(session)
        if end is not None and end < time.time():
            session.clear()
        return session

    def get_expiration_time(app: Flask, session: Any) -> datetime | None:
        expires, end = expiration(app, session), until(session)
        return expires if expires is None or end is None else min(expires, datetime.fromtimestamp(end, timezone.utc))

    interface.open_session, interface.get_expiration_time = open_session, get_expiration_time


def key() -> str | None:
    """The server's key of this session (Flask-Session's `sid`). None for a session that lives in its cookie."""
    found = getattr(session, "sid", None)
    return found if isinstance(found, str) and found else None


@contextmanager
def opened(app: Flask, key: str) -> Iterator[bool]:
    """Opens the session of this key as `flask.session`. False if it does not exist."""
    interface: Any = app.session_interface
    value = interface._sign(app, key) if getattr(interface, "use_signer", False) else key
    cookie = f"{interface.get_cookie_name(app)}={value}"
    with app.app_context(), app.test_request_context("/", headers={"Cookie": cookie}):
        yield getattr(session, "sid", None) == key


def save(app: Flask) -> None:
    """Stores the session that is open; deletes it if it is empty."""
    app.session_interface.save_session(app, session._get_current_object(), Response())  # type: ignore[attr-defined]
