"""`qrgate.button()` and `qrgate.signin_link()` for JupyterHub's templates.

Both are plain HTML with the classes of JupyterHub's own pages: no script and no style.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from jinja2 import pass_context
from jinja2.runtime import Context
from jupyterhub.handlers import BaseHandler
from markupsafe import Markup

from .conf import settings
from .people import is_allowed
from .words import WORDS, word

BUTTON = Markup("""<section class="text-center mt-5" lang="{language}">
  <h2 class="h4">{title}</h2>
  <p>{text}</p>
  <form method="post" action="{path}"><button class="btn btn-outline-primary">{button}</button></form>
</section>""")
LINK = Markup('<p class="text-center mt-3" lang="{language}"><a href="{path}">{link}</a></p>')


class Snippets:
    """The variable `qrgate` of all templates."""

    @pass_context
    def button(self, context: Context) -> Markup:
        """For pages of signed-in people: nothing for others, nor for accounts that may not use codes."""
        handler = handler_of(context)
        if handler.current_user is None or not is_allowed(settings(handler), handler.current_user):
            return Markup()
        return fill(handler, BUTTON, path=path_of(handler))

    @pass_context
    def signin_link(self, context: Context) -> Markup:
        """For the sign-in page: leads to the page for typing a code, and from there to where the person was going."""
        handler = handler_of(context)
        next = handler.get_argument("next", "")
        query = "?" + urlencode({"next": next}) if next.startswith("/") else ""
        return fill(handler, LINK, path=path_of(handler) + "code/" + query)


def fill(handler: BaseHandler, template: Markup, path: str) -> Markup:
    language = language_of(handler.request.headers.get("Accept-Language", ""))
    words = {name: word(name, language) for name in ("title", "text", "button", "link")}
    return template.format(language="zh-Hans" if language == "zh" else language, path=path, **words)


def path_of(handler: BaseHandler) -> str:
    return settings(handler).path or f"{handler.hub.base_url}qr/"


def handler_of(context: Context) -> Any:
    """The handler that renders a template: JupyterHub gives its method `static_url` to all of them."""
    return context["static_url"].__self__


def language_of(accepted: str) -> str:
    """The first language of an Accept-Language field that `WORDS` has; English without one."""
    ranges = [entry.strip().split(";q=") for entry in accepted.replace(" ", "").split(",")]
    ranges.sort(key=lambda entry: quality(entry[1]) if len(entry) > 1 else 1.0, reverse=True)
    languages = (entry[0].split("-")[0].lower() for entry in ranges)
    return next((language for language in languages if language in WORDS), "en")


def quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
