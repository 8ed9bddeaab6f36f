"""Adds qrgate-flask to the application `cps.app`, with Calibre-Web's own users and sessions.

Calibre-Web has a fork of Flask-Login, `cps.cw_login`. A session is a signed cookie that counts only as long as the
table `user_session` has its random key, so that the server can end it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cps import app, cli_param, ub
from cps.cw_login import current_user, login_user, user_logged_in
from flask import session
from jinja2 import ChoiceLoader, PackageLoader, PrefixLoader
from qrgate_flask import QRGate, SqliteStore


def add_hooks() -> None:
    """To be called before `create_app`, whose middleware must stay the outermost: it knows the path of cookies."""
    cli_param.init()  # reads the command line; `create_app` does so again
    QRGate(
        app,
        load_user=load_user,
        login_user=login_user,
        current_user=lambda: current_user._get_current_object() if current_user.is_authenticated else None,
        allow=is_allowed,
        session_key=lambda: session.get("_random"),
        end_session=end_session,
        store=SqliteStore(Path(cli_param.settings_path).with_name("qrgate.sqlite3")),
    )
    user_logged_in.connect(remember_when, app)
    own, theirs = PackageLoader(__package__ or __name__), app.jinja_loader
    app.jinja_loader = ChoiceLoader([own, theirs, PrefixLoader({"cps": theirs})])


def load_user(id: str) -> Any:
    """The user with this id. Guest is the user of anonymous browsing, and nobody signs in as Guest."""
    user = ub.session.get(ub.User, int(id))
    return None if user is None or user.role_anonymous() else user


def is_allowed(user: Any) -> bool:
    """Administrators type their password on the phone, too, unless QRGATE_ALLOW_ADMINISTRATORS=1."""
    return not user.role_admin() or os.environ.get("QRGATE_ALLOW_ADMINISTRATORS") == "1"


def end_session(key: str, user_id: str) -> bool:
    """Ends the session with this random key, if it belongs to this user."""
    found = ub.session.query(ub.User_Sessions).filter(ub.User_Sessions.random == key).first()
    if found is None:
        return True
    if str(found.user_id) != user_id:
        return False
    ub.session.delete(found)
    ub.session_commit()
    return True


def remember_when(sender: Any, **kwargs: Any) -> None:
    QRGate.signed_in()
