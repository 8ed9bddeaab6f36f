"""Calls of the hooks, signed as qrgate signs them."""

import base64
import hmac
import json
import secrets
import time

from tests.settings import SECRET

ORIGIN = "https://app.example.com"


def signature(secret, id, timestamp, content):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{id}.{timestamp}.".encode() + content, "sha256")).decode()


def call(client, path="/_qr/login", *, secret=SECRET, id=None, timestamp=None, signed=None, **message):
    """POSTs a login call, or at another path a call of that hook. `message` replaces members."""
    id = id or secrets.token_urlsafe(16)
    timestamp = int(time.time()) if timestamp is None else timestamp
    type = "qr.revoke" if path.endswith("revoke") else "qr.login"
    content = {"type": type, "origin": ORIGIN, "method": "POST", "url": ORIGIN + path, **message}
    content = json.dumps(content).encode()
    fields = {
        "HTTP_HOST": "app.example.com",
        "HTTP_X_FORWARDED_PROTO": "https",
        "HTTP_WEBHOOK_ID": id,
        "HTTP_WEBHOOK_TIMESTAMP": str(timestamp),
        "HTTP_WEBHOOK_SIGNATURE": signed or signature(secret, id, timestamp, content),
    }
    return client.post(path, content, content_type="application/json", **fields)
