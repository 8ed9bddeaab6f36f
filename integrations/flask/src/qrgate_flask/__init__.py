"""The hooks of qrgate for Flask: "scan this code and you are signed in on your phone"."""

from .extension import QRGate
from .stores import RedisStore, SqliteStore, Store

__all__ = ["QRGate", "RedisStore", "SqliteStore", "Store"]
__version__ = "0.1.0"
