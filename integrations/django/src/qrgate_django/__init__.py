"""The hooks of qrgate for Django: "scan this code and you are signed in on your phone"."""

__version__ = "0.1.0"
