"""The two hooks of qrgate 0.1. Copy this file into your application as it is.

`/_qr/whoami` returns the user of a session. `/_qr/login` opens a session for a phone: qrgate signs that call (Standard
Webhooks) with a secret that only qrgate and this application have. Clients get a 404 from qrgate for both paths.
"""

import base64
import hmac
import os
import time
from pathlib import Path

from flask import Blueprint, abort, request
from flask_login import current_user, login_user

ORIGINS = os.environ["QRGATE_ORIGINS"].split()  # the site's public origins: https://app.example.com


def read_keys():
    """The keys of QRGATE_HOOK_SECRET, or of the file QRGATE_HOOK_SECRET_FILE: one secret, or two during a rotation."""
    file = os.environ.get("QRGATE_HOOK_SECRET_FILE")
    text = Path(file).read_text() if file else os.environ.get("QRGATE_HOOK_SECRET", "")
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in text.split()]
    if not keys or min(map(len, keys)) < 32:  # no assert: python -O removes it
        raise RuntimeError("QRGATE_HOOK_SECRET is missing or too short")
    return keys


KEYS = read_keys()


def is_for_this_site(message):
    """Whether the call was signed for this hook. Compares with a setting, because a caller chooses its own Host."""
    wanted = [("qr.login", "POST", origin, origin + "/_qr/login") for origin in ORIGINS]
    return tuple(message.get(name) for name in ("type", "method", "origin", "url")) in wanted


def qrgate_hooks(load_user, first_use):
    """The blueprint. `load_user` is the function given to `user_loader`; `first_use(key)` is true once per key."""
    qr = Blueprint("qrgate", __name__)  # Flask-WTF: csrf.exempt() it

    def signed_message():
        id, ts, sigs = (request.headers.get("webhook-" + n, "") for n in ("id", "timestamp", "signature"))
        signed = f"{id}.{ts}.".encode() + request.get_data()
        wanted = [b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256")) for key in KEYS]
        if not any(hmac.compare_digest(want, sig.encode()) for want in wanted for sig in sigs.split(" ")):
            abort(401)
        if not (ts.isdecimal() and abs(time.time() - int(ts)) <= 60):
            abort(401)
        message = request.get_json()
        return message if is_for_this_site(message) and first_use(f"{id}:{ts}") else abort(401)

    @qr.get("/_qr/whoami")
    def whoami():
        if not current_user.is_authenticated:
            return {}, 401
        return {"user_id": current_user.get_id(), "name": current_user.name}

    @qr.post("/_qr/login")
    def qr_login():
        user = load_user(signed_message()["user_id"])
        if user is None or not login_user(user):  # login_user is false for an inactive user
            return {"message": "This account cannot sign in."}, 404
        return "", 204

    return qr
