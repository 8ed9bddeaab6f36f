"""Who may use codes."""

from __future__ import annotations

import asyncio
from typing import Any

from jupyterhub.auth import PAMAuthenticator
from jupyterhub.handlers import BaseHandler
from jupyterhub.scopes import get_scopes_for
from jupyterhub.user import User
from jupyterhub.utils import maybe_future

from .conf import QRGate


def is_allowed(settings: QRGate, user: User) -> bool:
    """Whether this user may use codes. Administrators type their password on the phone, too."""
    return settings.allow_admins or not is_administrator(user)


def is_administrator(user: User) -> bool:
    """Whether roles give this user rights over other accounts (`admin-ui`, `admin:users`, …)."""
    own = f"!user={user.name}"
    return user.admin or any(s.startswith("admin") and not s.endswith(own) for s in get_scopes_for(user))


async def is_accepted(handler: BaseHandler, user: User) -> bool:
    """Asks the authenticator about this user as `Authenticator.get_authenticated_user` does, without a password.

    An error of the authenticator refuses the user. Those that decide by what an OAuth provider said about a person find
    it in `auth_state`, which needs `c.Authenticator.enable_auth_state`.
    """
    authenticator = handler.authenticator
    try:
        model = {
            "name": user.name,
            "admin": user.admin,
            "groups": [group.name for group in user.groups],
            "auth_state": await user.get_auth_state(),
            "user_info": None,
        }
        if not await maybe_future(authenticator.check_blocked_users(user.name, model)):
            return False
        if not authenticator.allow_all and not await maybe_future(authenticator.check_allowed(user.name, model)):
            return False
        if not await has_account(authenticator, user.name):
            return False
        handler._jupyterhub_user, handler._token_authenticated = user, False  # refresh_auth compares them
        if await handler.refresh_auth(user, force=True) is None:
            return False
        return bool(await authenticator.run_post_auth_hook(handler, model))
    except Exception:
        handler.log.exception("qrgate: the authenticator cannot decide about %s", user.name)
        return False
    finally:
        handler._jupyterhub_user = None


async def has_account(authenticator: Any, name: str) -> bool:
    """What two authenticators check in `authenticate`, together with the password."""
    if isinstance(authenticator, PAMAuthenticator) and authenticator.check_account:
        return await asyncio.get_running_loop().run_in_executor(authenticator.executor, has_pam_account, authenticator, name)
    if hasattr(authenticator, "get_authed_users"):  # NativeAuthenticator
        info = authenticator.get_user(name)
        return info is not None and bool(info.is_authorized)
    return True


def has_pam_account(authenticator: PAMAuthenticator, name: str) -> bool:
    """Whether PAM accepts the account: not expired, not locked out of this service."""
    import pamela

    try:
        pamela.check_account(name, service=authenticator.service, encoding=authenticator.encoding)
    except pamela.PAMError as error:
        authenticator.log.warning("PAM Account Check failed (%s): %s", name, error)
        return False
    return True
