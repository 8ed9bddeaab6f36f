"""Verifies calls of the hooks, version 1 of the contract. The same file is in all Python packages of qrgate.

A call is signed according to Standard Webhooks. It is accepted if one of its signatures is valid, it is at most a
minute old, and it names this site and this hook. The caller of this module refuses the same bytes a second time
(`Call.key`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONTRACT = 1
"""The version of the hook contract, which the identify hook names."""

TOLERANCE = 60
"""How many seconds the timestamp of a call may be off."""

REMEMBERED = 900
"""How many seconds an accepted call is remembered. More than twice `TOLERANCE` is enough to refuse every replay."""


class Refused(Exception):
    """A call that is not accepted. The text says why; it is for the log and not for the caller."""


@dataclass(frozen=True)
class Call:
    """A verified call."""

    key: str
    """64 hexadecimal digits: equal for the same call, different for a retry, which has a later timestamp."""
    message: dict[str, Any]

    def text(self, name: str) -> str:
        """A member of the message, or "" if it is not a string."""
        value = self.message.get(name)
        return value if isinstance(value, str) else ""

    def seconds(self, name: str) -> int | None:
        """A member of the message that is a positive integer."""
        value = self.message.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def read_keys(secrets: Iterable[str]) -> list[bytes]:
    """The keys of secrets, `whsec_<base64>`. Raises `ValueError` for one that is malformed or under 32 bytes."""
    keys = []
    for secret in secrets:
        try:
            key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("a hook secret is not in the form whsec_<base64>, as `qrgate secret` prints it") from None
        if len(key) < 32:  # an empty key would accept the signatures of anybody
            raise ValueError("a hook secret is shorter than 32 bytes; `qrgate secret` prints a new one")
        keys.append(key)
    return keys


def what_is_wrong_with_origin(origin: str) -> str | None:
    """Why a text is not an origin as browsers write it, such as `https://app.example.com`. None if it is one."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "it must begin with http:// or https:// and name a host"
    if origin != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        return "it must end after host and port, without a slash or a path"
    if origin != origin.lower():
        return "it must be in lower case"
    if port == {"http": 80, "https": 443}[parts.scheme]:
        return "it must leave out the default port of its scheme"
    return None


def verify(
    headers: Mapping[str, str],
    content: bytes,
    *,
    keys: Iterable[bytes],
    type: str,
    origins: Collection[str],
    paths: Collection[str],
    now: float | None = None,
) -> Call:
    """Verifies a call of the hook at one of `paths`. `content` is its body as it was received. Raises `Refused`."""
    id, timestamp, signatures = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    signed = f"{id}.{timestamp}.".encode() + content
    if not any(is_signed(signed, key, signatures) for key in keys):
        raise Refused("no signature is valid: qrgate has another secret, or the content was changed on the way")
    age = (time.time() if now is None else now) - int(timestamp) if is_number(timestamp) else None
    if age is None or abs(age) > TOLERANCE:
        raise Refused(f"its timestamp {timestamp!r} is more than {TOLERANCE} s off: compare the clocks")
    message = parse(content)
    origin = message.get("origin")
    if message.get("type") != type or message.get("method") != "POST":
        raise Refused(f"it is not a {type} call")
    if not isinstance(origin, str) or origin not in origins:
        raise Refused(f"it is for the site {origin!r}, which is not in QRGATE_ORIGINS")
    if message.get("url") not in [origin + path for path in paths]:
        raise Refused(f"it is for {message.get('url')!r} and not for this hook")
    return Call(hashlib.sha256(f"{id}.{timestamp}".encode()).hexdigest(), message)


def is_signed(signed: bytes, key: bytes, signatures: str) -> bool:
    """Whether one of the signatures, which are separated by spaces, is made with this key."""
    wanted = b"v1," + base64.b64encode(hmac.digest(key, signed, "sha256"))
    return any([hmac.compare_digest(wanted, each.encode()) for each in signatures.split(" ")])


def is_number(timestamp: str) -> bool:
    return timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12


def parse(content: bytes) -> dict[str, Any]:
    try:
        message = json.loads(content)
    except ValueError:
        raise Refused("its content is not JSON") from None
    if not isinstance(message, dict):
        raise Refused("its content is not a JSON object")
    return message
