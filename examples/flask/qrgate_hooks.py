import base64, hmac, os, time
from flask import Blueprint, abort, request
from flask_login import current_user, login_user

KEY = base64.b64decode(os.environ["QRGATE_HOOK_SECRET"].strip().removeprefix("whsec_"))
if len(KEY) < 32:                                         # not assert: python -O drops it
    raise RuntimeError("QRGATE_HOOK_SECRET is missing or too short")
ORIGINS = os.environ["QRGATE_ORIGINS"].split()            # where people see the site: https://app.example.com

def is_for_this_site(message):   # another site may have the same secret, and a caller can send any Host
    wanted = [("qr.login", "POST", origin, origin + "/_qr/login") for origin in ORIGINS]
    return tuple(message.get(name) for name in ("type", "method", "origin", "url")) in wanted

def qrgate_hooks(load_user, first_use):   # load_user: the one given to user_loader
    qr = Blueprint("qrgate", __name__)   # Flask-WTF: csrf.exempt(it)

    def signed_message():
        id, ts, sigs = (request.headers.get("webhook-" + n, "") for n in ("id", "timestamp", "signature"))
        want = b"v1," + base64.b64encode(hmac.digest(KEY, f"{id}.{ts}.".encode() + request.get_data(), "sha256"))
        if not any(hmac.compare_digest(want, s.encode()) for s in sigs.split(" ")):
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
        if user is None or not login_user(user):   # False when is_active is False
            return {"message": "This account cannot sign in."}, 404
        return "", 204

    return qr
