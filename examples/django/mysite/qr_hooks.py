"""The two hooks that qrgate calls. An operator adds this file and its two lines in urls.py; nothing in it is about
this example.

`whoami` says whose session a cookie is. `qr_login` makes a session for a phone, when qrgate asks for it with a
signature (Standard Webhooks) that only it can make. Browsers never reach either: qrgate answers 404 in their place.
"""

import base64
import hmac
import json
import time

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

KEY = base64.b64decode(settings.QRGATE_HOOK_SECRET.strip().removeprefix("whsec_"))
if len(KEY) < 32:  # not assert: python -O drops it
    raise RuntimeError("QRGATE_HOOK_SECRET is missing or too short")
LOGIN_PATH = "/_qr/login"  # login.path in proxy.toml


@receiver(user_logged_in)
def remember_when(sender, request, user, **kwargs):
    """Keeps in the session when a password was typed: `identify.max_auth_age` asks for it."""
    request.session["auth_time"] = int(time.time())


@never_cache
@require_GET
def whoami(request):
    """Who is signed in with these cookies? 401 for nobody; never a redirect."""
    user = request.user
    if not user.is_authenticated:
        return JsonResponse({}, status=401)
    return JsonResponse(
        {
            "user_id": str(user.pk),
            "name": user.get_username(),
            "allow": not user.is_superuser,  # an administrator types the password, on the phone too
            "auth_time": request.session.get("auth_time", 0),
        }
    )


@csrf_exempt  # its signature says who calls
@require_POST
def qr_login(request):
    """Signs the user of a signed message in, and answers with the session's cookies."""
    message = signed_message(request)
    if message is None:
        return HttpResponse(status=401)
    User = get_user_model()
    try:
        user = User.objects.get(pk=message["user_id"], is_active=True)  # login() itself does not ask for is_active
    except (User.DoesNotExist, ValueError, ValidationError):  # the last two: an id of another shape
        return JsonResponse({"message": "This account cannot sign in."}, status=404)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session["auth_time"] = message.get("auth_time", 0)  # the phone proved nothing anew
    return HttpResponse(status=204)


def signed_message(request):
    """The message, if it was signed with our secret within the last minute, for this site, and is new."""
    id, ts, sigs = (request.headers.get("webhook-" + n, "") for n in ("id", "timestamp", "signature"))
    want = b"v1," + base64.b64encode(hmac.digest(KEY, f"{id}.{ts}.".encode() + request.body, "sha256"))
    if not any(hmac.compare_digest(want, s.encode()) for s in sigs.split(" ")):
        return None
    if not (ts.isdecimal() and abs(time.time() - int(ts)) <= 60):
        return None
    message = json.loads(request.body)
    if not is_for_this_site(message):
        return None
    if not cache.add(f"qrgate:{id}:{ts}", 1, 900):  # the same bytes twice: a replay, not a retry
        return None
    return message


def is_for_this_site(message):
    """Whether the call was signed for this hook: another site may have the same secret, and a caller can send any Host."""
    origin = message.get("origin")
    return (
        message.get("type") == "qr.login"
        and message.get("method") == "POST"
        and origin in settings.QRGATE_ORIGINS
        and message.get("url") == origin + LOGIN_PATH
    )
