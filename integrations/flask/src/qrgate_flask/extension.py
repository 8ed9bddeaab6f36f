"""The extension."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from flask import Flask, session

from . import conf, html, sessions
from .hooks import blueprint
from .people import AUTH_TIME, People
from .stores import SqliteStore, Store

WsgiApp = Callable[[dict[str, Any], Any], Iterable[bytes]]


class QRGate:
    """Adds the hooks to an application. With Flask-Login, `QRGate(app)` is enough.

    - `load_user(id)` returns the user with this id, which is text, or None
    - `login_user(user)` puts the user into `session`; False refuses one who is inactive
    - `current_user()` returns the user of `session`, or None
    - `allow(user)` says whether this user may use codes; by default, everybody whose `is_admin` is not true
    - `user_id(user)` and `user_name(user)` return text; by default, attributes or keys of the user
    - `session_key()` returns the key of `session`, and `end_session(key, user_id)` ends the session with this key; False
      refuses one of another user. For applications that can end sessions and do not use Flask-Session
    - `store` remembers accepted calls, for all processes; by default, an SQLite file in the instance folder
    - `url_prefix` is where the hooks are
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        load_user: Callable[[str], Any] | None = None,
        login_user: Callable[[Any], Any] | None = None,
        current_user: Callable[[], Any] | None = None,
        allow: Callable[[Any], bool] | None = None,
        user_id: Callable[[Any], str] | None = None,
        user_name: Callable[[Any], str] | None = None,
        session_key: Callable[[], str | None] | None = None,
        end_session: Callable[[str, str], bool] | None = None,
        store: Store | None = None,
        url_prefix: str = "/_qr",
    ) -> None:
        if (session_key is None) != (end_session is None):
            raise ValueError("session_key and end_session need each other")
        self.people = People(
            load_user, login_user, current_user, allow, user_id, user_name, session_key, end_session
        )
        self.url_prefix = url_prefix.rstrip("/")
        self._store = store
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        app.extensions["qrgate"] = self
        app.register_blueprint(blueprint, url_prefix=self.url_prefix)
        app.jinja_env.globals.update(qrgate_button=html.button, qrgate_signin_link=html.signin_link)
        hooks = {f"{self.url_prefix}/login", f"{self.url_prefix}/revoke"}
        app.wsgi_app = Entry(app, self, app.wsgi_app, hooks)  # type: ignore[method-assign]

    def store(self, app: Flask) -> Store:
        return self._store or SqliteStore(Path(app.instance_path) / "qrgate.sqlite3")

    @staticmethod
    def signed_in() -> None:
        """For an application without Flask-Login: call this when a person has signed in with a password.

        qrgate then knows how long ago that was (`identify.max_auth_age`).
        """
        session[AUTH_TIME] = int(time.time())


class Entry:
    """Hides cookies from the signed hooks, so that the session they open is new with any kind of sessions.

    The first request completes the extension: extensions that are initialised after it are there by then.
    """

    def __init__(self, app: Flask, gate: QRGate, wsgi_app: WsgiApp, hooks: set[str]) -> None:
        self.app, self.gate, self.wsgi_app, self.hooks = app, gate, wsgi_app, hooks
        self.is_complete = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not self.is_complete:
            self.complete()
        if environ.get("PATH_INFO") in self.hooks:
            environ = {name: value for name, value in environ.items() if name != "HTTP_COOKIE"}
        return self.wsgi_app(environ, start_response)

    def complete(self) -> None:
        self.is_complete = True
        csrf = self.app.extensions.get("csrf")  # Flask-WTF; the signature authenticates the caller
        if csrf is not None:
            csrf.exempt(blueprint)
        self.gate.people.listen(self.app)
        sessions.let_them_end(self.app.session_interface)
        for problem in conf.problems(self.app):
            self.app.logger.warning("qrgate: %s", problem)
