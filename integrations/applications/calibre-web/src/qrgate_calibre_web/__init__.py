"""Calibre-Web with the hooks of qrgate: `cps-with-qrgate` takes the place of `cps`, with the same options."""

__version__ = "0.1.0"


def main() -> None:
    from calibreweb.__main__ import main as serve  # the import puts `cps` on the path

    from .drop_in import add_hooks

    add_hooks()
    serve()
