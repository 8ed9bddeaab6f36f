"""What `setup` does to a configuration, and what it refuses."""

import asyncio

import pytest
from jupyterhub.auth import PAMAuthenticator
from traitlets import TraitError
from traitlets.config import Config

import qrgate_jupyterhub
from qrgate_jupyterhub.people import has_account
from tests.calls import ORIGIN, SECRET


def test_keeps_what_the_operator_has_set():
    config = Config()
    config.JupyterHub.extra_handlers = [("/mine", object)]
    config.JupyterHub.template_paths = ["mine"]
    config.JupyterHub.template_vars = {"mine": 1}
    qrgate_jupyterhub.setup(config, secret=[SECRET], origins=[ORIGIN])
    hub = config.JupyterHub
    assert (hub.extra_handlers[0][0], len(hub.extra_handlers)) == ("/mine", 4)
    assert (hub.template_paths[0], len(hub.template_paths)) == ("mine", 2)
    assert hub.template_vars["mine"] == 1


@pytest.mark.parametrize(
    ("traits", "problem"),
    [
        ({}, "set secret_file"),
        ({"secret": ["whsec_bm8="]}, "shorter than 32 bytes"),
        ({"secret_file": "/no/such/file"}, "No such file"),
        ({"secret": [SECRET], "origins": []}, "set origins"),
        ({"secret": [SECRET], "origins": [ORIGIN + "/"]}, "without a slash"),
    ],
)
def test_the_hub_does_not_start_with_wrong_settings(traits, problem, monkeypatch):
    for name in ("QRGATE_HOOK_SECRET", "QRGATE_HOOK_SECRET_FILE", "QRGATE_ORIGINS"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TraitError, match=problem):
        qrgate_jupyterhub.setup(Config(), **traits)


def test_the_secret_comes_from_a_file(tmp_path):
    file = tmp_path / "hook.secret"
    file.write_text(SECRET + "\n")
    assert qrgate_jupyterhub.QRGate(secret_file=str(file), origins=[ORIGIN]).problems() == []


def test_an_account_that_pam_refuses_is_refused(monkeypatch):
    pamela = pytest.importorskip("pamela")

    def check_account(name, **options):
        if name != "ana":
            raise pamela.PAMError("expired")

    monkeypatch.setattr(pamela, "check_account", check_account)
    authenticator = PAMAuthenticator()
    assert asyncio.run(has_account(authenticator, "ana"))
    assert not asyncio.run(has_account(authenticator, "bob"))


def test_an_account_that_the_native_authenticator_has_not_authorized_is_refused():
    class Info:
        def __init__(self, is_authorized):
            self.is_authorized = is_authorized

    class Native:
        def get_authed_users(self):
            raise NotImplementedError

        def get_user(self, name):
            return {"ana": Info(True), "bob": Info(False)}.get(name)

    assert [asyncio.run(has_account(Native(), name)) for name in ("ana", "bob", "cleo")] == [True, False, False]
