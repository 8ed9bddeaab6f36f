"""The application's users: by Flask-Login, or by functions of the application."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, current_app, session

AUTH_TIME = "_qrgate_auth_time"
"""The key in a session of the Unix time at which its person last proved who they are."""


@dataclass
class People:
    """Functions that are None come from Flask-Login, and from attributes of its users."""

    load_user: Callable[[str], Any] | None
    login_user: Callable[[Any], Any] | None
    current_user: Callable[[], Any] | None
    allow: Callable[[Any], bool] | None
    user_id: Callable[[Any], str] | None
    user_name: Callable[[Any], str] | None
    session_key: Callable[[], str | None] | None = None
    end_session: Callable[[str, str], bool] | None = None

    def find(self, id: str) -> Any:
        """The active user with this id, or None."""
        load = self.load_user or manager(current_app)._user_callback
        if load is None:
            raise RuntimeError("Flask-Login has no user_loader")
        try:
            user = load(id) if id else None
        except ValueError:  # a loader that calls int() or UUID()
            return None
        return user if user is not None and member(user, "is_active", True) else None

    def sign_in(self, user: Any) -> bool:
        """Puts the user into the session. False if the application refuses."""
        if self.login_user is not None:
            return self.login_user(user) is not False
        manager(current_app)
        from flask_login import login_user

        return login_user(user)

    def current(self) -> Any:
        """The user of the session, or None."""
        if self.current_user is not None:
            return self.current_user()
        manager(current_app)
        from flask_login import current_user

        return current_user._get_current_object() if current_user.is_authenticated else None

    def owner(self) -> str | None:
        """The id of the user to whom the session belongs, from whatever address it is used."""
        if self.current_user is None:
            return session.get("_user_id")  # Flask-Login's; its session protection would hide the user from qrgate
        user = self.current()
        return None if user is None else self.id_of(user)

    def sign_out(self) -> None:
        if self.current_user is None:
            from flask_login import logout_user

            logout_user()  # sends its signal
        session.clear()

    def id_of(self, user: Any) -> str:
        if self.user_id is not None:
            return str(self.user_id(user))
        return str(user.get_id() if hasattr(user, "get_id") else member(user, "id"))

    def name_of(self, user: Any) -> str:
        if self.user_name is not None:
            return str(self.user_name(user))
        names = (member(user, name) for name in ("name", "username", "email"))
        return next((name for name in names if isinstance(name, str)), "")

    def is_allowed(self, user: Any) -> bool:
        """Whether this user may use codes. Administrators type their password on the phone, too."""
        return self.allow(user) is True if self.allow is not None else not member(user, "is_admin", False)

    def listen(self, app: Flask) -> None:
        """Remembers when people sign in by Flask-Login."""
        if self.login_user is not None or getattr(app, "login_manager", None) is None:
            return
        from flask_login import user_logged_in, user_login_confirmed

        user_logged_in.connect(remember_when, app)
        user_login_confirmed.connect(remember_when, app)


def remember_when(sender: Any, **kwargs: Any) -> None:
    session[AUTH_TIME] = int(time.time())


def manager(app: Flask) -> Any:
    """Flask-Login's."""
    found = getattr(app, "login_manager", None)
    if found is None:
        raise RuntimeError("QRGate needs Flask-Login, or load_user, login_user and current_user")
    return found


def member(user: Any, name: str, default: Any = None) -> Any:
    """An attribute of the user, or the value of a key where the user is a mapping."""
    if hasattr(user, "keys"):
        return user[name] if name in user.keys() else default
    return getattr(user, name, default)
