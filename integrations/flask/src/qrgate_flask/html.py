"""`qrgate_button()` and `qrgate_signin_link()` for templates.

Both work under a strict Content-Security-Policy: no script, no inline style, and nothing from another site.
"""

from __future__ import annotations

from urllib.parse import urlencode

from flask import current_app, request, url_for
from markupsafe import Markup

from . import conf

WORDS = {
    "en": {
        "button": "Sign in on your phone",
        "link": "Sign in with your phone",
        "title": "Use your phone",
        "title of site": "Use {site} on your phone",
        "text": "Scan a QR code, and your phone is signed in too. No password.",
        "refused": "This account cannot sign in.",
    },
    "de": {
        "button": "Auf dem Handy anmelden",
        "link": "Mit dem Handy anmelden",
        "title": "Dein Handy benutzen",
        "title of site": "{site} auf deinem Handy",
        "text": "Einmal einen QR-Code scannen, und dein Handy ist auch angemeldet. Ohne Passwort.",
        "refused": "Dieses Konto kann nicht angemeldet werden.",
    },
    "fr": {
        "button": "Connexion sur votre téléphone",
        "link": "Se connecter avec votre téléphone",
        "title": "Utiliser votre téléphone",
        "title of site": "{site} sur votre téléphone",
        "text": "Scannez un code QR, et votre téléphone est connecté aussi. Sans mot de passe.",
        "refused": "Ce compte ne peut pas se connecter.",
    },
    "es": {
        "button": "Inicia sesión en tu teléfono",
        "link": "Iniciar sesión con tu teléfono",
        "title": "Usa tu teléfono",
        "title of site": "{site} en tu teléfono",
        "text": "Escanea un código QR y tu teléfono también entrará. Sin contraseña.",
        "refused": "Esta cuenta no puede iniciar sesión.",
    },
    "ru": {
        "button": "Вход на телефоне",
        "link": "Вход с помощью телефона",
        "title": "На вашем телефоне",
        "title of site": "{site} на вашем телефоне",
        "text": "Отсканируйте QR-код — и телефон тоже войдёт. Без пароля.",
        "refused": "С этой учётной записью войти нельзя.",
    },
    "zh": {
        "button": "在手机上登录",
        "link": "用手机登录",
        "title": "在手机上使用",
        "title of site": "在手机上使用 {site}",
        "text": "扫描二维码，手机也会登录，无需密码。",
        "refused": "此帐号无法登录。",
    },
}

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


def word(name: str, language: str) -> str:
    return WORDS.get(language.replace("_", "-").split("-")[0].lower(), WORDS["en"])[name]


def language_of_page() -> str:
    """QRGATE_LANGUAGE, or that of Flask-Babel, or English."""
    language = current_app.config.get("QRGATE_LANGUAGE")
    if language is None and "babel" in current_app.extensions:
        from flask_babel import get_locale  # type: ignore[import-not-found]

        language = get_locale()
    return str(language or "en")


def language_of_browser() -> str:
    return request.accept_languages.best_match(list(WORDS)) or "en"
