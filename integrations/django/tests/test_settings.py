"""The settings, and what `manage.py check` says about them."""

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import Client, SimpleTestCase, override_settings

from qrgate_django import conf
from tests.calls import call
from tests.settings import OLD_SECRET, SECRET

LOCAL = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SHARED = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://localhost"}}


class Secrets(SimpleTestCase):
    def setUp(self):
        self.folder = (
            self.enterContext(tempfile.TemporaryDirectory()) if hasattr(self, "enterContext") else tempfile.mkdtemp()
        )
        conf.text_of.cache_clear()

    def file(self, text):
        path = Path(self.folder) / "hook.secret"
        path.write_text(text)
        return path

    @override_settings(QRGATE_HOOK_SECRET=None)
    def test_come_from_a_setting_a_file_or_the_environment(self):
        both = self.file(f"{SECRET}\n{OLD_SECRET}\n")
        one = conf.keys_of((SECRET,))
        two = conf.keys_of((SECRET, OLD_SECRET))
        with override_settings(QRGATE_HOOK_SECRET=f" {SECRET}\n"):
            self.assertEqual(conf.keys(), one)
        for given in [both, str(both), [both]]:
            with override_settings(QRGATE_HOOK_SECRET_FILE=given):
                self.assertEqual(conf.keys(), two)
        with patch.dict(os.environ, QRGATE_HOOK_SECRET_FILE=str(both)):
            self.assertEqual(conf.keys(), two)
        with patch.dict(os.environ, QRGATE_HOOK_SECRET=f"{SECRET} {OLD_SECRET}"):
            self.assertEqual(conf.keys(), two)

    def test_a_missing_a_short_and_a_malformed_one_are_refused(self):
        for given in [None, "", [], "whsec_", "whsec_c2hvcnQ=", "whsec_not base64", SECRET + "*", [SECRET, "whsec_"]]:
            with override_settings(QRGATE_HOOK_SECRET=given), self.assertRaises(ImproperlyConfigured):
                conf.keys()

    @override_settings(QRGATE_HOOK_SECRET=None)
    def test_without_one_the_login_hook_fails_loudly(self):
        with self.assertRaises(ImproperlyConfigured):
            call(Client(), user_id="1", secret="")


class Checks(SimpleTestCase):
    def found(self, **changes):
        with override_settings(**changes):
            return [message.id for message in run_checks() if message.id.startswith("qrgate")]

    def test_are_silent_for_a_good_project(self):
        self.assertEqual(self.found(), [])

    def test_name_what_is_wrong_with_the_secret(self):
        self.assertEqual(self.found(QRGATE_HOOK_SECRET=None), ["qrgate.W001"])
        self.assertEqual(self.found(QRGATE_HOOK_SECRET="whsec_c2hvcnQ="), ["qrgate.E001"])

    def test_name_what_is_wrong_with_the_origins(self):
        self.assertEqual(self.found(QRGATE_ORIGINS=[]), ["qrgate.W002"])
        for wrong in [
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com:443",
            "https://App.example.com",
            "https://app.example.com/shop",
            "ftp://app.example.com",
            "https://a@app.example.com",
            "https://x:y",
        ]:
            self.assertEqual(self.found(QRGATE_ORIGINS=[wrong]), ["qrgate.E002"], wrong)

    def test_name_a_host_that_is_not_allowed(self):
        self.assertEqual(self.found(ALLOWED_HOSTS=["other.example"]), ["qrgate.W003"])
        self.assertEqual(self.found(ALLOWED_HOSTS=["*"]), [])
        local = ["http://localhost:8080", "http://[::1]:8080"]
        self.assertEqual(self.found(ALLOWED_HOSTS=[], DEBUG=True, QRGATE_ORIGINS=local), [])

    def test_name_a_scheme_that_is_not_trusted(self):
        self.assertEqual(self.found(SECURE_PROXY_SSL_HEADER=None), ["qrgate.W004"])
        self.assertEqual(
            self.found(QRGATE_ORIGINS=["http://app.example.com"], SESSION_COOKIE_SECURE=True), ["qrgate.W005"]
        )

    def test_name_sessions_that_are_not_shared_and_those_that_cannot_be_revoked(self):
        engine = "django.contrib.sessions.backends."
        self.assertEqual(self.found(SESSION_ENGINE=engine + "cache", CACHES=LOCAL), ["qrgate.W006"])
        self.assertEqual(self.found(SESSION_ENGINE=engine + "cache", CACHES=SHARED), [])
        self.assertEqual(self.found(SESSION_ENGINE=engine + "cached_db", CACHES=LOCAL), [])
        self.assertEqual(self.found(SESSION_ENGINE=engine + "signed_cookies"), ["qrgate.I001"])

    def test_name_a_login_wall_and_missing_addresses(self):
        walls = [
            "tests.test_settings.LoginRequiredMiddleware",
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
        self.assertEqual(self.found(MIDDLEWARE=walls), ["qrgate.W007"])
        self.assertEqual(self.found(ROOT_URLCONF="tests.calls_without_urls"), ["qrgate.W008"])
