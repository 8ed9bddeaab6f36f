"""A small site with Flask, Flask-Login and Flask-WTF. The lines for qrgate are marked "qrgate:"."""

import os
from pathlib import Path

from flask import Flask, redirect, render_template, request
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix  # qrgate:

from qrgate_flask import QRGate  # qrgate:

DATA = Path(os.environ.get("DATA", "data"))  # the instance folder: qrgate_flask keeps accepted calls there


def kept(path):
    """The bytes of a file, which is created on the first start and readable by its owner only."""
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(os.urandom(32))
    return path.read_bytes()


app = Flask(__name__, instance_path=str(DATA.resolve()))
app.secret_key = kept(DATA / "flask.secret")
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"  # a real site on https: SESSION_COOKIE_SECURE = True, too
logins = LoginManager(app)
CSRFProtect(app)


class User(UserMixin):
    """An account. The passwords are the names: never do this in a real site."""

    def __init__(self, id, name, active):
        self.id, self.name, self.active = id, name, active

    @property
    def is_active(self):
        return self.active


USERS = {"1": User("1", "ana", True), "2": User("2", "bob", True), "3": User("3", "cleo", False)}


@logins.user_loader
def load_user(id):
    return USERS.get(id)


# qrgate: begin
QRGate(app)
# Scheme, host and address of the browser's request, from qrgate. Safe only because every request comes through qrgate.
app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)
# qrgate: end


@app.get("/")
def home():
    return render_template("home.html")


@app.route("/login", methods=["GET", "POST"])
def login():
    there = request.values.get("next", "/")
    if not there.startswith("/") or there[1:2] in ("/", "\\"):  # `//elsewhere` and `/\elsewhere` lead to another site
        there = "/"
    if request.method == "POST":
        name = request.form.get("username", "")
        user = next((user for user in USERS.values() if user.name == name), None)
        if user and request.form.get("password") == user.name and login_user(user):
            return redirect(there, 303)
    return render_template("login.html", next=there)


@app.post("/logout")
def logout():
    logout_user()
    return redirect("/", 303)


@app.context_processor
def who():
    return {"user": current_user}
