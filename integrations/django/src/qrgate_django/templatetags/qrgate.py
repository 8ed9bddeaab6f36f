"""`{% load qrgate %}`: the button "Sign in on your phone" and the link "Sign in with your phone".

Both work under a strict Content-Security-Policy: no script, no inline style, and nothing from another site.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.template.context import Context

from .. import conf, people

register = template.Library()


@register.inclusion_tag("qrgate_django/button.html", takes_context=True)
def qrgate_button(context: Context, site: str = "", next: str = "") -> dict[str, Any]:
    """For pages of signed-in people. It shows nothing to others, nor to accounts that may not use codes.

    `site` is a name for the heading; the phone lands on `next`.
    """
    request, user = context.get("request"), context.get("user")
    if user is None:
        user = getattr(request, "user", None)
    is_signed_in = user is None or user.is_authenticated
    may = is_signed_in and (user is None or people.is_allowed(user))
    if may and user is not None and request is not None:
        may = people.may_show_code(request, user)
    return {
        "path": conf.button_path(),
        "site": site,
        "next": next,
        "nonce": nonce_of(context),
        "is_signed_in": is_signed_in,
        "may": may,
    }


@register.inclusion_tag("qrgate_django/signin_link.html", takes_context=True)
def qrgate_signin_link(context: Context, next: str | None = None) -> dict[str, Any]:
    """For the sign-in page: leads to the page to type a code. The visitor lands on `next`, or where the form leads."""
    there = context.get("next", "") if next is None else next
    query = "?" + urlencode({"next": there}) if there else ""
    return {"path": f"{conf.button_path()}code/{query}"}


def nonce_of(context: Context) -> str:
    """The nonce of the Content-Security-Policy, from Django 6.0's context processor or from django-csp."""
    nonce = context.get("csp_nonce") or getattr(context.get("request"), "csp_nonce", "")
    return str(nonce or "")
