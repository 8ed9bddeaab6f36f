"""The template tags."""

import re

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.template import Context, RequestContext, Template
from django.test import RequestFactory, TestCase, override_settings
from django.urls import set_script_prefix
from django.utils import translation


def render(tag, user=None, **context):
    request = RequestFactory().get("/")
    request.user = user or AnonymousUser()
    return Template("{% load qrgate %}" + tag).render(RequestContext(request, context)).strip()


class Button(TestCase):
    def setUp(self):
        self.ana = get_user_model().objects.create_user(**{get_user_model().USERNAME_FIELD: "ana@example.com"})

    def test_is_a_form_that_goes_to_qrgate(self):
        html = render("{% qrgate_button site=site next=there %}", self.ana, site="A & B", there="/inbox?a=1&b=2")
        self.assertIn('<form method="post" action="/qr/">', html)
        self.assertIn('<input type="hidden" name="next" value="/inbox?a=1&amp;b=2">', html)
        self.assertIn("<h2>Use A &amp; B on your phone</h2>", html)
        self.assertIn("<button>Sign in on your phone</button>", html)

    def test_needs_no_inline_style_no_script_and_no_other_site(self):
        html = render("{% qrgate_button %}", self.ana)
        self.assertIsNone(re.search(r"<script|<style|style=|\son\w+=|https?://", html))
        self.assertIn('<link rel="stylesheet" href="/static/qrgate_django/button.css">', html)

    def test_gives_its_style_sheet_the_nonce_of_the_policy(self):
        self.assertIn('nonce="abc"', render("{% qrgate_button %}", self.ana, csp_nonce="abc"))

    def test_is_not_shown_to_those_who_cannot_use_it(self):
        self.assertEqual(render("{% qrgate_button %}"), "")
        self.ana.is_superuser = True
        self.assertRegex(render("{% qrgate_button %}", self.ana), "^<!-- .*QRGATE_ALLOW_ADMINISTRATORS -->$")

    def test_is_shown_in_the_language_of_the_page(self):
        for language, words in {
            "en": "Sign in on your phone",
            "de": "Auf dem Handy anmelden",
            "fr": "Connexion sur votre téléphone",
            "es": "Inicia sesión en tu teléfono",
            "ru": "Вход на телефоне",
            "zh-hans": "在手机上登录",
        }.items():
            with translation.override(language):
                self.assertIn(f"<button>{words}</button>", render("{% qrgate_button %}", self.ana))

    def test_follows_the_path_of_the_site_and_of_qrgate(self):
        self.addCleanup(set_script_prefix, "/")
        set_script_prefix("/shop/")
        with override_settings(QRGATE_PATH="/scan/"):
            self.assertIn('action="/shop/scan/"', render("{% qrgate_button %}", self.ana))

    def test_is_shown_by_a_template_without_a_request(self):
        self.assertIn("<button>", Template("{% load qrgate %}{% qrgate_button %}").render(Context()))


class SigninLink(TestCase):
    def test_leads_to_the_page_for_typing_a_code(self):
        self.assertEqual(render("{% qrgate_signin_link %}"), '<a href="/qr/code/">Sign in with your phone</a>')

    def test_carries_on_where_the_form_would(self):
        self.assertIn('href="/qr/code/?next=%2Finbox%3Fa%26b"', render("{% qrgate_signin_link %}", next="/inbox?a&b"))
        self.assertIn('href="/qr/code/?next=%2Fhome"', render('{% qrgate_signin_link next="/home" %}', next="/inbox"))
