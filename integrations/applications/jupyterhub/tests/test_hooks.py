"""The hooks of a running hub."""

import time
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.calls import ORIGIN, OLD_SECRET, call


def set_cookies(response):
    """The Set-Cookie lines of a response, by name."""
    return {line.split("=")[0]: line for line in response.raw.headers.getlist("Set-Cookie")}


def test_login_signs_a_person_in(hub):
    response = call(hub, user_id="bob")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-store")
    cookies = set_cookies(response)
    assert "HttpOnly" in cookies["jupyterhub-hub-login"] and "Path=/hub/" in cookies["jupyterhub-hub-login"]
    assert "Path=/" in cookies["jupyterhub-session-id"]
    phone = requests.Session()
    phone.cookies.update(response.cookies)
    assert hub.whoami(phone) == {"qrgate": 1, "user_id": "bob", "name": "bob", "allow": True}
    home = hub.get(phone, "home")
    assert home.status_code == 200 and "bob" in home.text


def test_whoami_knows_a_session_of_the_hub_and_when_it_began(hub):
    browser = hub.browser("ana")
    person = hub.whoami(browser)
    assert abs(person.pop("auth_time") - time.time()) < 60
    assert person == {"qrgate": 1, "user_id": "ana", "name": "ana", "allow": True}


def test_whoami_without_a_session_is_401_and_never_sets_a_cookie(hub):
    nonsense = requests.Session()
    nonsense.cookies["jupyterhub-hub-login"] = "nonsense"
    computer = hub.browser("ana")
    only_the_login = requests.Session()
    only_the_login.cookies["jupyterhub-hub-login"] = computer.cookies["jupyterhub-hub-login"]
    for browser, status in [(hub.browser(), 401), (nonsense, 401), (only_the_login, 200)]:
        response = hub.get(browser, "qrgate/whoami")
        assert (response.status_code, set_cookies(response)) == (status, {})


def test_an_api_token_does_not_identify_anybody(hub):
    response = hub.get(hub.browser(), "qrgate/whoami", Authorization="token token-of-the-robot")
    assert response.status_code == 401


def test_both_secrets_are_accepted_during_a_rotation(hub):
    assert call(hub, secret=OLD_SECRET, user_id="ana").status_code == 200


@pytest.mark.parametrize(
    "parts",
    [
        {"signed": "v1,bm8="},
        {"timestamp": int(time.time()) - 90},
        {"type": "qr.revoke"},
        {"origin": "https://other.example.com", "url": "https://other.example.com/hub/qrgate/login"},
        {"url": ORIGIN + "/hub/qrgate/revoke"},
    ],
)
def test_other_calls_are_refused(hub, parts):
    response = call(hub, user_id="ana", **parts)
    assert (response.status_code, set_cookies(response)) == (401, {})


def test_a_call_is_accepted_once_even_across_a_restart(hub):
    same = {"id": "the same", "timestamp": int(time.time()), "user_id": "ana"}
    assert call(hub, **same).status_code == 200
    assert call(hub, **same).status_code == 401
    phone, _ = hub.phone()
    hub.stop()
    hub.start()
    assert call(hub, **same).status_code == 401
    assert call(hub, **{**same, "timestamp": same["timestamp"] + 1}).status_code == 200, "a retry"
    assert hub.whoami(phone)["user_id"] == "ana"


def test_a_planted_session_is_not_used(hub):
    planted = hub.browser("bob").cookies
    cookie = "; ".join(f"{name}={planted[name]}" for name in ("jupyterhub-hub-login", "jupyterhub-session-id"))
    response = call(hub, user_id="ana", headers={"Cookie": cookie})
    assert response.cookies["jupyterhub-hub-login"] != planted["jupyterhub-hub-login"]
    assert response.cookies["jupyterhub-session-id"] != planted["jupyterhub-session-id"]


@pytest.mark.parametrize("name", ["cleo", "nobody", "", "ANA", None, 1])
def test_a_blocked_or_unknown_account_is_refused_in_the_persons_language(hub, name):
    response = call(hub, user_id=name, headers={"Accept-Language": "de-DE, en;q=0.5"})
    assert (response.status_code, set_cookies(response)) == (404, {})
    assert response.json() == {"message": "Dieses Konto kann nicht angemeldet werden."}


@pytest.mark.parametrize("why", ["no longer a member", "unknown", "stale"])
def test_an_account_that_the_authenticator_refuses_now_is_refused(hub, why):
    note = hub.folder / f"{why}: bob"
    note.touch()
    try:
        assert call(hub, user_id="bob").status_code == 404
    finally:
        note.unlink()
    assert call(hub, user_id="bob").status_code == 200


def test_an_account_that_an_administrator_deletes_is_signed_out_and_refused(hub):
    phone, _ = hub.phone("dan")
    assert hub.robot("DELETE", "users/dan").status_code == 204
    assert hub.whoami(phone) == 401
    assert call(hub, user_id="dan").status_code == 404
    assert hub.robot("POST", "users/dan").status_code == 201
    assert hub.whoami(phone) == 401, "a session of the account that was deleted"


@pytest.mark.parametrize("name", ["admin", "tina"])
def test_administrators_are_refused_unless_a_setting_allows_them(hub, other_hub, name):
    browser = hub.browser(name)
    assert hub.whoami(browser)["allow"] is False
    assert call(hub, user_id=name).status_code == 404
    assert "Use your phone" not in hub.page(browser, "home")
    browser = other_hub.browser(name)
    assert other_hub.whoami(browser)["allow"] is True
    assert call(other_hub, user_id=name).status_code == 200
    assert "Use your phone" in other_hub.page(browser, "home")


def test_auth_time_is_that_of_the_session_that_showed_the_code(hub):
    phone, _ = hub.phone(auth_time=1790000000)
    assert hub.whoami(phone)["auth_time"] == 1790000000


def test_a_session_is_as_long_as_the_person_chose_and_at_most_as_the_hub_allows(hub):
    def lifetime(**message):
        line = set_cookies(call(hub, user_id="ana", **message))["jupyterhub-hub-login"]
        parts = dict(part.strip().split("=", 1) for part in line.split(";") if "=" in part)
        return parsedate_to_datetime(parts["expires"]).timestamp() - time.time() if "expires" in parts else None

    assert 3500 < lifetime(stay=3600) < 3700
    assert lifetime(stay="browser") is None
    assert lifetime(stay=365 * 86400) < 15 * 86400
    assert 29 * 86400 < lifetime() < 31 * 86400  # as JupyterHub's own


def test_a_session_ends_at_the_server_too(hub):
    phone, _ = hub.phone(stay=1)
    deadline = time.monotonic() + 10
    while hub.whoami(phone) != 401:
        assert time.monotonic() < deadline


def test_revoke_ends_the_session_that_it_names_and_no_other(hub):
    (one, name), (two, _), computer = hub.phone(), hub.phone(), hub.browser("ana")
    for _ in range(2):
        assert call(hub, "revoke", user_id="ana", session=name).status_code == 204
        assert [hub.whoami(one), hub.whoami(two)["user_id"]] == [401, "ana"]
    assert hub.whoami(computer)["user_id"] == "ana"
    assert hub.get(one, "home").status_code == 302
    one.cookies.pop("jupyterhub-session-id")
    assert hub.get(one, "home").status_code == 302, "another session id does not help"


def test_revoke_leaves_the_session_of_another_person(hub):
    phone, name = hub.phone("bob")
    assert call(hub, "revoke", user_id="ana", session=name).status_code == 404
    assert hub.whoami(phone)["user_id"] == "bob"


def test_revoke_revokes_the_phones_tokens_for_servers_and_services(hub):
    phone, name = hub.phone()
    service, back = "service-notes", "http://127.0.0.1:1/back"
    wish = urlencode({"client_id": service, "response_type": "code", "redirect_uri": back})
    location = hub.get(phone, f"api/oauth2/authorize?{wish}").headers["Location"]
    [code] = parse_qs(urlsplit(location).query)["code"]
    form = {"client_id": service, "client_secret": "token-of-the-notes", "redirect_uri": back}
    form |= {"grant_type": "authorization_code", "code": code}
    token = requests.post(f"{hub.origin}/hub/api/oauth2/token", data=form, timeout=30).json()["access_token"]
    service = requests.Session()
    service.headers["Authorization"] = f"token {token}"
    assert hub.get(service, "api/user").json()["name"] == "ana"
    assert call(hub, "revoke", user_id="ana", session=name).status_code == 204
    assert hub.get(service, "api/user").status_code == 403


def test_the_hooks_take_their_own_method_only(hub):
    for hook in ("login", "revoke"):
        response = hub.get(hub.browser(), f"qrgate/{hook}")
        assert (response.status_code, set_cookies(response)) == (405, {})


def test_a_hub_below_a_path_has_its_hooks_there(other_hub):
    response = call(other_hub, user_id="ana")
    assert "Path=/jupyter/hub/" in set_cookies(response)["jupyterhub-hub-login"]
    assert 'href="/jupyter/hub/qr/code/"' in other_hub.page(other_hub.browser(), "login")


def test_the_cookie_is_secure_where_browsers_use_https(hub):
    assert "Secure" not in set_cookies(call(hub, user_id="ana"))["jupyterhub-hub-login"]
    response = call(hub, user_id="ana", headers={"X-Forwarded-Proto": "https"})
    assert "Secure" in set_cookies(response)["jupyterhub-hub-login"]
