"""Applications with the extension: with Flask-Login, and with their own functions; sessions in cookies and at the server."""

import base64
import tempfile

from cachelib.file import FileSystemCache
from flask import Flask, session
from flask_login import LoginManager, UserMixin
from flask_session import Session

from qrgate_flask import QRGate, SqliteStore

SECRET = "whsec_" + base64.b64encode(b"new secret" * 4).decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"old secret" * 4).decode()


class User(UserMixin):
    def __init__(self, id, name, is_active=True, is_admin=False):
        self.id, self.name, self.active, self.is_admin = id, name, is_active, is_admin

    @property
    def is_active(self):
        return self.active


USERS = [User(1, "ana"), User(2, "bob"), User(3, "cleo", is_active=False), User(4, "admin", is_admin=True)]


def load_user(id):
    return next((user for user in USERS if user.id == int(id)), None)


def make(folder, **config):
    app = Flask(__name__, instance_path=folder)
    app.config.update(
        TESTING=True,
        SECRET_KEY="for tests only",
        QRGATE_HOOK_SECRET=[SECRET, OLD_SECRET],
        QRGATE_ORIGINS=["https://app.example.com"],
        **config,
    )
    return app


def with_flask_login(folder, extend=lambda app: None, **options):
    """`options` are those of QRGate; `extend` adds other extensions, after it."""
    app = make(folder)
    gate = QRGate(app, **options)
    extend(app)
    LoginManager(app).user_loader(load_user)
    return app, gate


def at_the_server(app, signed=False):
    """Flask-Session, with files."""
    app.config.update(
        SESSION_TYPE="cachelib", SESSION_CACHELIB=FileSystemCache(tempfile.mkdtemp()), SESSION_USE_SIGNER=signed
    )
    Session(app)


def with_functions(folder, **options):
    """Users are dictionaries, and Flask-Login is not used."""
    app = make(folder)
    people = {"1": {"id": 1, "username": "ana"}, "3": {"id": 3, "username": "cleo", "is_active": False}}
    gate = QRGate(
        load_user=people.get,
        login_user=lambda user: session.update(account=str(user["id"])),
        current_user=lambda: people.get(session.get("account")),
        store=SqliteStore(f"{folder}/calls.sqlite3"),
        **options,
    )
    gate.init_app(app)
    return app, gate
