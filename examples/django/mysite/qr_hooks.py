"""The two hooks of qrgate 0.1. Copy this file into your project as it is, and add two lines to urls.py.

`whoami` returns the user of a session. `qr_login` opens a session for a phone: qrgate signs that call (Standard Webhooks)
with a secret that only qrgate and this application have. Clients get a 404 from qrgate for both paths.
"""

import base64
import hmac
import json
import os
import time
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

LOGIN_PATH = "/_qr/login"  # login.path in proxy.toml


def read_keys():
    """The keys of QRGATE_HOOK_SECRET, or of the file QRGATE_HOOK_SECRET_FILE: one secret, or two during a rotation."""
    file = os.environ.get("QRGATE_HOOK_SECRET_FILE")
    text = Path(file).read_text() if file else os.environ.get("QRGATE_HOOK_SECRET", "")
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in text.split()]
    if not keys or min(map(len, keys)) < 32:  # no assert: python -O removes it
        raise RuntimeError("QRGATE_HOOK_SECRET is missing or too short")
    return keys


KEYS = read_keys()


@receiver(user_logged_in)
def remember_when(sender, request, user, **kwargs):
    """Stores the time of the sign-in in the session, for `identify.max_auth_age`."""
    request.session["auth_time"] = int(time.time())


@never_cache
@require_GET
def whoami(request):
    """Returns the user of the session, or 401. Never redirects."""
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse(
        {
            "user_id": str(user.pk),
            "name": user.get_username(),
            "allow": not user.is_superuser,  # administrators type their password on the phone too
            "auth_time": request.session.get("auth_time", 0),
        }
    )


@csrf_exempt  # the signature authenticates the caller
@require_POST
def qr_login(request):
    """Signs in the user that a signed message names; the response carries the session's cookies."""
    message = signed_message(request)
    if message is None:
        return HttpResponse(status=401)
    User = get_user_model()
    try:
        user = User.objects.get(pk=message["user_id"], is_active=True)  # login() does not check is_active
    except (User.DoesNotExist, ValueError, ValidationError):  # the last two: an id of the wrong format
        return JsonResponse({"message": "This account cannot sign in."}, status=404)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session["auth_time"] = message.get("auth_time", 0)  # the phone did not prove the password again
    return HttpResponse(status=204)


def signed_message(request):
    """The message, if its signature is valid, less than a minute old, meant for this site, and not used before."""
    id, ts, sigs = (request.headers.get("webhook-" + n, "") for n in ("id", "timestamp", "signature"))
    signed = f"{id}.{ts}.".encode() + request.body
    wanted = [b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256")) for key in KEYS]
    if not any(hmac.compare_digest(want, sig.encode()) for want in wanted for sig in sigs.split(" ")):
        return None
    if not (ts.isdecimal() and abs(time.time() - int(ts)) <= 60):
        return None
    message = json.loads(request.body)
    if not is_for_this_site(message):
        return None
    if not cache.add(f"qrgate:{id}:{ts}", 1, 900):  # a replay; a retry has a later timestamp
        return None
    return message


def is_for_this_site(message):
    """Whether the call was signed for this hook. Compares with settings, because a caller chooses its own Host."""
    origin = message.get("origin")
    return (
        message.get("type") == "qr.login"
        and message.get("method") == "POST"
        and origin in settings.QRGATE_ORIGINS
        and message.get("url") == origin + LOGIN_PATH
    )
