"""For Wagtail, which loads modules of this name: the entry in "More actions" of the page "Account"."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.translation import gettext as _
from wagtail import hooks  # type: ignore[import-not-found]

from . import conf, people


@hooks.register("register_account_menu_item")
def account_menu_item(request: HttpRequest) -> dict[str, str] | None:
    if not people.may_show_code(request, request.user):
        return None
    return {
        "url": conf.button_path(),
        "label": _("Sign in on your phone"),
        "help_text": _("Scan a QR code, and your phone is signed in too. No password."),
    }
