"""The button and the link on the hub's pages."""

import pytest

from qrgate_jupyterhub.html import language_of


def test_home_has_the_button(hub):
    home = hub.page(hub.browser("ana"), "home")
    assert '<form method="post" action="/hub/qr/">' in home and "Sign in on your phone" in home
    assert "My Server" in home


def test_the_sign_in_page_has_the_link_with_the_way_back(hub):
    page = hub.page(hub.browser(), "login?next=%2Fhub%2Ftoken%3Fa%3D1")
    assert 'href="/hub/qr/code/?next=%2Fhub%2Ftoken%3Fa%3D1"' in page and "Sign in with your phone" in page
    assert "next=" not in hub.page(hub.browser(), "login?next=https://evil.example").split("/hub/qr/code/")[1][:20]


def test_they_speak_the_language_of_the_browser(hub):
    page = hub.page(hub.browser(), "login", **{"Accept-Language": "zh-CN"})
    assert '<p class="text-center mt-3" lang="zh-Hans">' in page and "用手机登录" in page


def test_templates_of_the_operator_come_first_and_can_use_them(other_hub):
    home = other_hub.page(other_hub.browser("ana"), "home")
    assert "Our hub" in home and "Sign in on your phone" in home and "My Server" not in home
    assert "Sign in with your phone" in other_hub.page(other_hub.browser(), "login")


def test_a_page_of_an_error_still_renders(hub):
    assert hub.get(hub.browser("ana"), "no-such-page").status_code == 404


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de-AT", "de"),
        ("pt, fr;q=0.8, de;q=0.9", "de"),
        ("*", "en"),
        ("es;q=nonsense, ru", "ru"),
        ("zh-Hant-TW", "zh"),
        (";;,=,q", "en"),
    ],
)
def test_language(accepted, language):
    assert language_of(accepted) == language
