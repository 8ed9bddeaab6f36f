"""`qrgate_button()` and `qrgate_signin_link()` for templates.

Both work under a strict Content-Security-Policy: no script, no inline style, and nothing from another site.
"""

from __future__ import annotations

from urllib.parse import urlencode

from flask import current_app, request, url_for
from markupsafe import Markup

from . import conf
from .words import WORDS, word

BUTTON = Markup("""<link rel="stylesheet" href="{style}"{nonce}>
<section class="qr-phone">
  <svg width="40" height="64" viewBox="0 0 40 64" fill="none" stroke="currentColor" stroke-width="3" \
stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
    <rect x="2" y="2" width="36" height="60" rx="7"/>
    <path d="M16 56h8M10 14h7v7h-7zM23 14h7v7h-7zM10 27h7v7h-7zM23 27v7h7M10 41h7M23 41h7"/>
  </svg>
  <div>
    <h2>{title}</h2>
    <p>{text}</p>
    <form method="post" action="{path}">{next}<button>{button}</button></form>
  </div>
</section>""")
NEXT = Markup('<input type="hidden" name="next" value="{}">')
NOT_ALLOWED = Markup("<!-- qrgate: this account may not use codes. See `allow` of QRGate -->")


def button(site: str = "", next: str = "", language: str | None = None) -> Markup:
    """For pages of signed-in people: nothing for others, nor for accounts that may not use codes.

    `site` is a name for the heading; the phone lands on `next`.
    """
    people = current_app.extensions["qrgate"].people
    user = people.current()
    if user is None:
        return Markup()
    if not people.is_allowed(user):
        return NOT_ALLOWED
    language = language or language_of_page()
    nonce = current_app.jinja_env.globals.get("csp_nonce")  # Flask-Talisman
    return BUTTON.format(
        style=url_for("qrgate.static", filename="button.css"),
        nonce=Markup(' nonce="{}"').format(nonce()) if callable(nonce) else "",
        title=word("title of site", language).format(site=site) if site else word("title", language),
        text=word("text", language),
        button=word("button", language),
        path=below("/"),
        next=NEXT.format(next) if next else "",
    )


def signin_link(next: str = "", language: str | None = None) -> Markup:
    """For the sign-in page: leads to the page for typing a code, and from there to `next`."""
    query = "?" + urlencode({"next": next}) if next else ""
    link = word("link", language or language_of_page())
    return Markup('<a href="{}">{}</a>').format(below("/code/") + query, link)


def below(path: str) -> str:
    """An address under qrgate's path, below the path of the site."""
    return request.script_root + conf.path(current_app).rstrip("/") + path


def language_of_page() -> str:
    """QRGATE_LANGUAGE, or that of Flask-Babel, or English."""
    language = current_app.config.get("QRGATE_LANGUAGE")
    if language is None and "babel" in current_app.extensions:
        from flask_babel import get_locale  # type: ignore[import-not-found]

        language = get_locale()
    return str(language or "en")


def language_of_browser() -> str:
    return request.accept_languages.best_match(list(WORDS)) or "en"
