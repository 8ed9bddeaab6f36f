"""Sessions that end one by one, and calls that were accepted, in the hub's database.

JupyterHub's login cookie holds `User.cookie_id`, which all sessions of a person share. The cookie of a phone holds a
token instead, and a row of `qrgate_sessions` says whose it is and until when.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import datetime, timezone
from typing import Any

from jupyterhub import orm
from jupyterhub.handlers import BaseHandler
from sqlalchemy import Column, Integer, Unicode
from sqlalchemy.orm import Session, declarative_base

from .signed import REMEMBERED

PREFIX = "qrgate:"
"""How a login cookie of a phone begins. A `cookie_id` is hexadecimal."""

Base: Any = declarative_base()


class AcceptedCall(Base):
    __tablename__ = "qrgate_calls"
    key = Column(Unicode(64), primary_key=True)
    until = Column(Integer, nullable=False)


class PhoneSession(Base):
    __tablename__ = "qrgate_sessions"
    name = Column(Unicode(64), primary_key=True)
    """The SHA-256 of the token in the cookie."""
    user_id = Column(Integer, nullable=False)
    cookie_id = Column(Unicode(255), nullable=False)
    """That of the user when the session began. A user who is deleted and created again gets a different one."""
    auth_time = Column(Integer)
    began = Column(Integer, nullable=False)
    until = Column(Integer, nullable=False)


def accept(db: Session, key: str) -> bool:
    """Remembers a call. False if it was accepted before. The hub is one process, and nothing is awaited here."""
    make_tables(db)
    if db.get(AcceptedCall, key) is not None:
        return False
    db.query(AcceptedCall).filter(AcceptedCall.until < time.time()).delete()
    db.add(AcceptedCall(key=key, until=int(time.time()) + REMEMBERED))
    db.commit()
    return True


def begin(db: Session, user: orm.User, auth_time: int | None, seconds: int) -> tuple[str, str]:
    """Begins a session: the value for its cookie, and its name."""
    token = PREFIX + secrets.token_urlsafe(32)
    now = int(time.time())
    db.query(PhoneSession).filter(PhoneSession.until < now).delete()
    row = PhoneSession(name=name_of(token), user_id=user.id, cookie_id=user.cookie_id)
    row.auth_time, row.began, row.until = auth_time, now, now + seconds
    db.add(row)
    db.commit()
    return token, row.name


def end(db: Session, session: PhoneSession) -> None:
    """Ends a session, and revokes what its browser may have got from OAuth for servers and services.

    Tokens from OAuth name a session id which the browser chooses, so those of the person's other browsers since then go
    as well. Their next page gets new ones.
    """
    began = datetime.fromtimestamp(session.began, timezone.utc).replace(tzinfo=None)
    tokens = db.query(orm.APIToken).filter(
        orm.APIToken.user_id == session.user_id, orm.APIToken.session_id.isnot(None), orm.APIToken.created >= began
    )
    codes = db.query(orm.OAuthCode).filter(orm.OAuthCode.user_id == session.user_id)
    for each in [*tokens, *codes, session]:
        db.delete(each)
    db.commit()


def find(db: Session, token: str) -> PhoneSession | None:
    make_tables(db)
    found = db.get(PhoneSession, name_of(token))
    return found if found is not None and found.until > time.time() else None


def name_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def make_tables(db: Session) -> None:
    if db.get_bind() not in _made:
        Base.metadata.create_all(db.get_bind())
        _made.add(db.get_bind())


_made: set[Any] = set()


def cookie_of(handler: BaseHandler) -> str | None:
    """The value of a request's login cookie, if the hub signed it and it is not too old."""
    value = _get_secure_cookie(handler, handler.hub.cookie_name, max_age_days=handler.cookie_max_age_days)
    return None if value is None else value.decode("utf-8", "replace")


def get_secure_cookie(handler: BaseHandler, name: str, *args: Any, **kwargs: Any) -> bytes | None:
    """Tornado's method, with the user's `cookie_id` in place of a phone's token."""
    value = _get_secure_cookie(handler, name, *args, **kwargs)
    if value is None or not value.startswith(PREFIX.encode()):
        return value
    session = find(handler.db, value.decode("utf-8", "replace"))
    return None if session is None else session.cookie_id.encode()


_get_secure_cookie = BaseHandler.get_secure_cookie


def install() -> None:
    """Lets all handlers of the hub know the sessions of phones."""
    BaseHandler.get_secure_cookie = get_secure_cookie
