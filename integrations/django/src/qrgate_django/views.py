"""The three hooks. qrgate alone calls them; clients get a 404 from qrgate for their paths."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import auth
from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from . import conf, people
from .models import MAX_SESSION_KEY, AcceptedCall
from .signed import CONTRACT, Call, Refused, verify

try:
    from django.contrib.auth.decorators import login_not_required
except ImportError:  # before Django 5.1 there is no LoginRequiredMiddleware either

    def login_not_required(view_func: Any) -> Any:  # type: ignore[no-redef,misc]
        return view_func


log = logging.getLogger("qrgate_django")
Hook = Callable[[HttpRequest, Call, AcceptedCall], HttpResponse]


@login_not_required
@never_cache
@require_GET
def whoami(request: HttpRequest) -> HttpResponse:
    """Returns the user of the session, or 401. Never redirects."""
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({}, status=401)
    person = {
        "qrgate": CONTRACT,
        "user_id": people.id_of(user),
        "name": user.get_username(),
        "allow": people.may_show_code(request, user),
    }
    auth_time = request.session.get(people.AUTH_TIME)
    return JsonResponse(person if auth_time is None else {**person, "auth_time": auth_time})


def signed_hook(type: str) -> Callable[[Hook], Callable[[HttpRequest], HttpResponse]]:
    """A hook that is called with a signed message of this type. It responds 401 to every other call."""

    def decorate(hook: Hook) -> Callable[[HttpRequest], HttpResponse]:
        @login_not_required
        @csrf_exempt  # the signature authenticates the caller
        @never_cache
        @require_POST
        @wraps(hook)
        def view(request: HttpRequest) -> HttpResponse:
            try:
                call, accepted = accept(request, type)
            except Refused as why:
                log.warning("refused a call of %s: %s", request.path, why)
                return JsonResponse({}, status=401)
            return hook(request, call, accepted)

        return view

    return decorate


def accept(request: HttpRequest, type: str) -> tuple[Call, AcceptedCall]:
    """The call, if it is valid and was not accepted before."""
    # qrgate knows the path below a prefix that a proxy in front of it removes (FORCE_SCRIPT_NAME), or with it.
    paths = {request.path, request.path_info}
    call = verify(request.headers, request.body, keys=conf.keys(), type=type, origins=conf.origins(), paths=paths)
    accepted = AcceptedCall.objects.accept(call.key)
    if accepted is None:
        raise Refused("it was accepted before")
    return call, accepted


@signed_hook("qr.login")
def login(request: HttpRequest, call: Call, accepted: AcceptedCall) -> HttpResponse:
    """Opens a session for the user that the message names; the response carries its cookies."""
    found = people.find(call.text("user_id"))
    if found is None or not people.is_allowed(found[0]):
        return JsonResponse({"message": _("This account cannot sign in.")}, status=404)
    user, backend = found
    request.session = type(request.session)()  # discards a session that came with the call
    auth.login(request, user, backend=backend)
    people.copy_auth_time(request.session, call.seconds("auth_time"))
    stay = 0 if call.text("stay") == "browser" else call.seconds("stay")
    if stay is not None:
        request.session.set_expiry(stay)
    name = name_session(request.session, accepted)
    return HttpResponse(status=204) if name is None else JsonResponse({"session": name})


def name_session(session: SessionBase, accepted: AcceptedCall) -> str | None:
    """Keeps the session's key for the revoke hook, and names its row. None for a session that the server cannot end."""
    key = session.session_key or ""
    if isinstance(session, signed_cookies.SessionStore) or not 0 < len(key) <= MAX_SESSION_KEY:
        return None
    accepted.session_key = key
    accepted.save(update_fields=["session_key"])
    return str(accepted.pk)


@signed_hook("qr.revoke")
def revoke(request: HttpRequest, call: Call, accepted: AcceptedCall) -> HttpResponse:
    """Ends the session that the login hook named, if it belongs to the user that the message names."""
    row = named(call.text("session"))
    session = type(request.session)(row.session_key if row else None)
    owner = session.get(auth.SESSION_KEY)
    if owner is None:
        return HttpResponse(status=204)  # the session has ended, or never existed
    if owner != call.text("user_id"):
        return JsonResponse({"message": "This session belongs to another user."}, status=404)
    request.session = session
    request.user = auth.get_user(request)
    auth.logout(request)  # deletes the session and sends `user_logged_out`
    return HttpResponse(status=204)


def named(name: str) -> AcceptedCall | None:
    """The row of a session's name."""
    if not (name.isascii() and name.isdecimal() and len(name) <= 18):
        return None
    return AcceptedCall.objects.filter(pk=int(name)).exclude(session_key="").first()
