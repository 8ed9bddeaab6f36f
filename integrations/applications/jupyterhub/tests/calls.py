"""Calls of the hooks, signed as qrgate signs them."""

import base64
import hmac
import json
import secrets
import time

import requests

SECRET, OLD_SECRET = (f"whsec_{base64.b64encode(bytes([byte]) * 32).decode()}" for byte in b"no")
ORIGIN = "https://hub.example.com"


def signature(secret, id, timestamp, content):
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{id}.{timestamp}.".encode() + content, "sha256")).decode()


def call(hub, hook="login", *, secret=SECRET, id=None, timestamp=None, signed=None, headers=None, **message):
    """POSTs a login call, or one of another hook. `message` replaces members."""
    id = id or secrets.token_urlsafe(16)
    timestamp = int(time.time()) if timestamp is None else timestamp
    path = f"{hub.path}qrgate/{hook}"
    content = {"type": f"qr.{hook}", "origin": ORIGIN, "method": "POST", "url": ORIGIN + path, **message}
    content = json.dumps(content).encode()
    fields = {
        "Content-Type": "application/json",
        "Webhook-Id": id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": signed or signature(secret, id, timestamp, content),
        **(headers or {}),
    }
    return requests.post(hub.origin + path, data=content, headers=fields, timeout=30)
