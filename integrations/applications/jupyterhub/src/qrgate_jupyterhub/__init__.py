"""The hooks of qrgate for JupyterHub: "scan this code and you are signed in on your phone"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from traitlets import TraitError
from traitlets.config import Config

from . import sessions
from .conf import QRGate
from .handlers import HANDLERS
from .html import Snippets

__all__ = ["QRGate", "setup"]
__version__ = "0.1.0"


def setup(config: Config, **traits: Any) -> None:
    """Adds the hooks, the button and the link to a hub. Call it last in jupyterhub_config.py: `setup(c)`.

    `traits` are those of `QRGate`; `c.QRGate.origins = […]` above the call has the same effect. Raises `TraitError` for
    settings with which nobody could sign in, so that the hub does not start.
    """
    config.QRGate.update(traits)
    problems = QRGate(config=config).problems()
    if problems:
        raise TraitError("qrgate-jupyterhub: " + "; ".join(problems))
    sessions.install()
    hub = config.JupyterHub
    hub.extra_handlers.extend(HANDLERS)
    hub.template_vars.update({"qrgate": Snippets()})
    templates = str(Path(__file__).parent / "templates")
    if isinstance(hub.template_paths, list):
        hub.template_paths.append(templates)  # templates of the hub's operator come first
    else:
        hub.template_paths.prepend([templates])
