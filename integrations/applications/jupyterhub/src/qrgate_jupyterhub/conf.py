"""The settings: traits of `c.QRGate`, or else variables of the environment."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from jupyterhub.handlers import BaseHandler
from traitlets import Bool, List, Unicode, default
from traitlets.config import Configurable

from . import signed


class QRGate(Configurable):
    """Signs phones in by a code that qrgate shows."""

    secret = List(
        Unicode(),
        help="""
        The text of qrgate's hook.secret; two during a rotation.

        Default: the words of $QRGATE_HOOK_SECRET.
        """,
    ).tag(config=True)

    @default("secret")
    def _secret_default(self) -> list[str]:
        return os.environ.get("QRGATE_HOOK_SECRET", "").split()

    secret_file = Unicode(
        help="""
        The path of a file with the secret, which is read once, at the start. Not used where `secret` is set.

        Default: $QRGATE_HOOK_SECRET_FILE.
        """,
    ).tag(config=True)

    @default("secret_file")
    def _secret_file_default(self) -> str:
        return os.environ.get("QRGATE_HOOK_SECRET_FILE", "")

    origins = List(
        Unicode(),
        help="""
        The public origins of the hub, as `public.url` and `public.hosts` in proxy.toml: `https://hub.example.com`.

        Default: the words of $QRGATE_ORIGINS.
        """,
    ).tag(config=True)

    @default("origins")
    def _origins_default(self) -> list[str]:
        return os.environ.get("QRGATE_ORIGINS", "").split()

    allow_admins = Bool(
        False,
        help="""
        Whether people with rights over other people's accounts and servers may use codes.
        """,
    ).tag(config=True)

    path = Unicode(
        help="""
        `tickets.path` in proxy.toml. It must be below the hub's own path, because its login cookie is.

        Default: `qr/` below the hub's path, which is `/hub/qr/` unless `c.JupyterHub.base_url` is set.
        """,
    ).tag(config=True)

    @cached_property
    def keys(self) -> list[bytes]:
        """Raises `OSError` or `ValueError` if there is none."""
        secrets = self.secret or (Path(self.secret_file).read_text().split() if self.secret_file else [])
        if not secrets:
            raise ValueError("set secret_file, $QRGATE_HOOK_SECRET_FILE or $QRGATE_HOOK_SECRET")
        return signed.read_keys(secrets)

    def problems(self) -> list[str]:
        """The mistakes in the settings."""
        found = []
        try:
            self.keys
        except (OSError, ValueError) as error:
            found.append(str(error))
        if not self.origins:
            found.append('set origins or $QRGATE_ORIGINS: ["https://hub.example.com"]')
        wrong = {origin: signed.what_is_wrong_with_origin(origin) for origin in self.origins}
        return found + [f"origins: {origin!r}: {why}" for origin, why in wrong.items() if why]


def settings(handler: BaseHandler) -> QRGate:
    """The settings of the hub that a handler belongs to."""
    if "qrgate" not in handler.settings:
        handler.settings["qrgate"] = QRGate(config=handler.config)
    return handler.settings["qrgate"]
