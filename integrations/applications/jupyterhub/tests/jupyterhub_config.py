"""The hub of the tests: without a proxy, so that clients reach the hub itself."""

import json
import os

import qrgate_jupyterhub
from jupyterhub.auth import DummyAuthenticator
from jupyterhub.proxy import Proxy
from traitlets import Bool
from traitlets.config import get_config


class NoProxy(Proxy):
    should_start = Bool(False)

    async def add_route(self, routespec, target, data):
        pass

    async def delete_route(self, routespec):
        pass

    async def get_all_routes(self):
        return {}


class Authenticator(DummyAuthenticator):
    """Decides by files as well, which tests write, as others ask a directory or an OAuth provider."""

    def check_allowed(self, username, authentication=None):
        if os.path.exists(f"no longer a member: {username}"):
            return False
        if os.path.exists(f"unknown: {username}"):
            raise KeyError("access_token")
        return super().check_allowed(username, authentication)

    async def refresh_user(self, user, handler=None):
        return not os.path.exists(f"stale: {user.name}")


c = get_config()  # noqa
port = os.environ["PORT"]
c.JupyterHub.bind_url = f"http://127.0.0.1:{port}{os.environ.get('BASE_URL', '/')}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{port}"
c.JupyterHub.proxy_class = NoProxy
c.JupyterHub.authenticator_class = Authenticator
c.JupyterHub.spawner_class = "simple"
c.JupyterHub.redirect_to_server = False
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", "access:services"]},
    {"name": "teachers", "scopes": ["admin:servers"], "users": ["tina"]},
    {"name": "robot", "scopes": ["admin:users"], "services": ["robot"]},
]
c.JupyterHub.services = [
    {"name": "robot", "api_token": "token-of-the-robot"},
    {
        "name": "notes",
        "api_token": "token-of-the-notes",
        "oauth_client_id": "service-notes",
        "oauth_redirect_uri": "http://127.0.0.1:1/back",
        "oauth_no_confirm": True,
    },
]
c.Authenticator.allow_all = False
c.Authenticator.allowed_users = {"ana", "bob", "cleo", "dan", "tina"}
c.Authenticator.admin_users = {"admin"}
c.Authenticator.blocked_users = {"cleo"}
for name, value in json.loads(os.environ.get("MORE", "{}")).items():
    section, trait = name.split(".")
    setattr(c[section], trait, value)

qrgate_jupyterhub.setup(c)
