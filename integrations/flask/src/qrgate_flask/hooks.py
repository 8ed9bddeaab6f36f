"""The three hooks. qrgate alone calls them; clients get a 404 from qrgate for their paths."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, cast

from flask import Blueprint, Response, current_app, jsonify, request, session

from . import conf, html, sessions
from .people import AUTH_TIME
from .signed import CONTRACT, REMEMBERED, Call, Refused, verify
from .words import word

if TYPE_CHECKING:
    from .extension import QRGate

NAMED = 24 * 3600
"""How many seconds a session can be ended by its name."""

blueprint = Blueprint("qrgate", __name__, static_folder="static", static_url_path="/static")
Result = Response | tuple[Response, int] | tuple[str, int]


def gate() -> QRGate:
    return current_app.extensions["qrgate"]


@blueprint.get("/whoami")
def whoami() -> Result:
    """Returns the user of the session, or 401. Never redirects."""
    people = gate().people
    user = people.current()
    if user is None:
        return jsonify({}), 401
    person = {
        "qrgate": CONTRACT,
        "user_id": people.id_of(user),
        "name": people.name_of(user),
        "allow": people.is_allowed(user),
    }
    auth_time = session.get(AUTH_TIME)
    return jsonify(person if auth_time is None else {**person, "auth_time": auth_time})


def signed_hook(type: str) -> Callable[[Callable[[Call], Result]], Callable[[], Result]]:
    """A hook that is called with a signed message of this type. It responds 401 to every other call."""

    def decorate(hook: Callable[[Call], Result]) -> Callable[[], Result]:
        @wraps(hook)
        def view() -> Result:
            try:
                return hook(accepted(type))
            except Refused as why:
                current_app.logger.warning("qrgate: refused a call of %s: %s", request.path, why)
                return jsonify({}), 401

        return view

    return decorate


def accepted(type: str) -> Call:
    """The call, if it is valid and was not accepted before."""
    keys, origins = conf.keys(current_app), conf.origins(current_app)
    # qrgate knows the path below a prefix that a proxy in front of it removes, or with it.
    paths = {request.path, request.script_root + request.path}
    headers = cast("Mapping[str, str]", request.headers)
    call = verify(headers, request.get_data(), keys=keys, type=type, origins=origins, paths=paths)
    if not gate().store(current_app).add(f"call:{call.key}", "", REMEMBERED):
        raise Refused("it was accepted before")
    return call


@blueprint.post("/login")
@signed_hook("qr.login")
def login(call: Call) -> Result:
    """Opens a session for the user that the message names; the response carries its cookies."""
    people = gate().people
    user = people.find(call.text("user_id"))
    if user is None or not people.is_allowed(user) or not people.sign_in(user):
        if session:
            session.clear()
        return jsonify(message=word("refused", html.language_of_browser())), 404
    auth_time = call.seconds("auth_time")
    session.pop(AUTH_TIME, None)  # the phone did not prove the password again
    if auth_time is not None:
        session[AUTH_TIME] = auth_time
    sessions.stay(call.text("stay") or call.seconds("stay"))
    key = people.session_key() if people.session_key is not None else sessions.key()
    if key is None:
        return "", 204
    name = secrets.token_urlsafe(16)
    gate().store(current_app).add(f"session:{name}", key, NAMED)
    return jsonify(session=name)


@blueprint.post("/revoke")
@signed_hook("qr.revoke")
def revoke(call: Call) -> Result:
    """Ends the session that the login hook named, if it belongs to the user that the message names."""
    app, people = current_app._get_current_object(), gate().people  # type: ignore[attr-defined]
    key = gate().store(app).get(f"session:{call.text('session')}")
    if key is None:
        return "", 204  # it never existed, or has ended
    if people.end_session is not None:
        return ("", 204) if people.end_session(key, call.text("user_id")) is not False else belongs_to_another()
    with sessions.opened(app, key) as is_there:
        owner = people.owner() if is_there else None
        if owner is not None and owner != call.text("user_id"):
            return belongs_to_another()
        if owner is not None:
            people.sign_out()
            sessions.save(app)
    return "", 204


def belongs_to_another() -> Result:
    return jsonify(message="This session belongs to another user."), 404


@blueprint.after_request
def no_store(response: Response) -> Response:
    """Nothing of the hooks is stored; the style sheet may be."""
    if request.endpoint != "qrgate.static":
        response.headers["Cache-Control"] = "no-store"
    return response
