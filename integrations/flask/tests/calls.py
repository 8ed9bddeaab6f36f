"""Calls of the hooks, signed as qrgate signs them."""

import base64
import hmac
import json
import secrets
import time

from tests.applications import SECRET

ORIGIN = "https://app.example.com"


def signature(secret, id, timestamp, content):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{id}.{timestamp}.".encode() + content, "sha256")).decode()


def call(client, path="/_qr/login", *, secret=SECRET, id=None, timestamp=None, signed=None, headers=None, **message):
    """POSTs a login call, or at another path a call of that hook. `message` replaces members."""
    id = id or secrets.token_urlsafe(16)
    timestamp = int(time.time()) if timestamp is None else timestamp
    type = "qr.revoke" if path.endswith("revoke") else "qr.login"
    content = {"type": type, "origin": ORIGIN, "method": "POST", "url": ORIGIN + path, **message}
    content = json.dumps(content).encode()
    fields = {
        "Host": "app.example.com",
        "Webhook-Id": id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": signed or signature(secret, id, timestamp, content),
        **(headers or {}),
    }
    return client.post(path, data=content, content_type="application/json", headers=fields)
