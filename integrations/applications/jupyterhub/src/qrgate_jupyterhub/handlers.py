"""The three hooks. qrgate alone calls them; clients get a 404 from qrgate for their paths."""

from __future__ import annotations

import json
import re
from typing import Any

from jupyterhub import orm
from jupyterhub.handlers import BaseHandler
from jupyterhub.user import User
from tornado import web

from . import html, sessions
from .conf import settings
from .people import is_accepted, is_allowed
from .signed import CONTRACT, Call, Refused, verify
from .words import word


class Hook(BaseHandler):
    """Speaks JSON, also when it fails."""

    def get_content_type(self) -> str:
        return "application/json"

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Cache-Control", "no-store")

    def respond(self, status: int, **members: Any) -> None:
        self.set_status(status)
        self.finish(None if status == 204 else json.dumps(members))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish("{}")


class WhoamiHook(Hook):
    """Returns the user of the session, or 401."""

    def get(self) -> None:
        user = self.current_user
        if not isinstance(user, User):
            return self.respond(401)
        person = {"qrgate": CONTRACT, "user_id": user.name, "name": user.name}
        person["allow"] = is_allowed(settings(self), user)
        auth_time = self.auth_time()
        self.respond(200, **person, **({} if auth_time is None else {"auth_time": auth_time}))

    def auth_time(self) -> int | None:
        """When the person of this session last signed in without a code, which is when the hub signed its cookie."""
        value = sessions.cookie_of(self)
        if value is not None and value.startswith(sessions.PREFIX):
            session = sessions.find(self.db, value)
            return None if session is None else session.auth_time
        signed_at = re.match(r"2\|\d+:\d+\|\d+:(\d+)\|", self.get_cookie(self.hub.cookie_name, ""))
        return int(signed_at[1]) if signed_at else None

    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Sets none: qrgate keeps the response to itself."""


class SignedHook(Hook):
    """Responds 401 to every call that qrgate did not sign for it."""

    type = ""

    async def prepare(self) -> None:
        self.request.headers.pop("Cookie", None)  # the session that a call opens is new
        await super().prepare()

    def check_xsrf_cookie(self) -> None:
        """Checks nothing: the signature authenticates the caller."""

    async def post(self) -> None:
        try:
            call = self.accepted()
        except Refused as why:
            self.log.warning("qrgate: refused a call of %s: %s", self.request.path, why)
            return self.respond(401)
        await self.answer(call)

    def accepted(self) -> Call:
        """The call, if it is valid and was not accepted before."""
        call = verify(
            self.request.headers,
            self.request.body,
            keys=settings(self).keys,
            type=self.type,
            origins=settings(self).origins,
            paths=[self.request.path],
        )
        if not sessions.accept(self.db, call.key):
            raise Refused("it was accepted before")
        return call

    async def answer(self, call: Call) -> None:
        raise NotImplementedError


class LoginHook(SignedHook):
    """Opens a session for the user that the message names; the response carries its cookies."""

    type = "qr.login"

    async def answer(self, call: Call) -> None:
        user = self.find_user(call.text("user_id"))
        if user is None or not is_allowed(settings(self), user) or not await is_accepted(self, user):
            language = html.language_of(self.request.headers.get("Accept-Language", ""))
            return self.respond(404, message=word("refused", language))
        self.call = call
        self.set_login_cookie(user)
        self.log.info("User logged in by a code: %s", user.name)
        self.respond(200, session=self.session)

    def set_hub_cookie(self, user: User) -> None:
        """Called by `set_login_cookie`, which sets the others."""
        stay = self.call.text("stay") or self.call.seconds("stay")
        seconds = int(self.cookie_max_age_days * 24 * 3600)
        lifetime: dict[str, Any] = {}
        if isinstance(stay, int):
            seconds = min(stay, seconds)
            lifetime = {"expires_days": seconds / (24 * 3600)}
        elif stay == "browser":
            lifetime = {"expires_days": None}
        auth_time = self.call.seconds("auth_time")
        token, self.session = sessions.begin(self.db, user.orm_user, auth_time, seconds)
        self._set_cookie(self.hub.cookie_name, token, encrypted=True, path=self.hub.base_url, **lifetime)


class RevokeHook(SignedHook):
    """Ends the session that the login hook named, if it belongs to the user that the message names."""

    type = "qr.revoke"

    async def answer(self, call: Call) -> None:
        session = self.db.get(sessions.PhoneSession, call.text("session"))
        if session is None:
            return self.respond(204)  # it never existed, or has ended
        owner = self.db.get(orm.User, session.user_id)
        if owner is not None and owner.name != call.text("user_id"):
            return self.respond(404, message="This session belongs to another user.")
        sessions.end(self.db, session)
        self.respond(204)


HANDLERS: list[tuple[str, type[web.RequestHandler]]] = [
    (r"/qrgate/whoami", WhoamiHook),
    (r"/qrgate/login", LoginHook),
    (r"/qrgate/revoke", RevokeHook),
]
"""Their paths are below the hub's own: `/hub/qrgate/login`."""
