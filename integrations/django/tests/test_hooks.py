"""The hooks, with each session engine, and with both user models."""

import tempfile
import time

from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.test import Client, TestCase, override_settings
from django.urls import set_script_prefix

from qrgate_django.models import AcceptedCall
from tests.calls import call
from tests.settings import OLD_SECRET, SECRET

ENGINES = ["db", "cache", "cached_db", "file"]


class Hooks(TestCase):
    def setUp(self):
        users = get_user_model().objects
        name = get_user_model().USERNAME_FIELD
        self.ana = users.create_user(**{name: "ana@example.com"})
        self.bob = users.create_user(**{name: "bob@example.com"})
        self.cleo = users.create_user(**{name: "cleo@example.com", "is_active": False})

    def sign_in(self, user=None, **message):
        client = Client()
        response = call(client, user_id=str((user or self.ana).pk), **message)
        self.assertIn(response.status_code, (200, 204), response.content)
        return client, response

    def whoami(self, client):
        return client.get("/_qr/whoami", HTTP_HOST="app.example.com")


class Login(Hooks):
    def test_signs_a_user_in(self):
        client, response = self.sign_in()
        self.assertTrue(response.cookies["sessionid"]["httponly"])
        self.assertEqual(response["Cache-Control"].split(",")[0], "max-age=0")
        person = self.whoami(client).json()
        self.assertEqual(person, {"qrgate": 1, "user_id": str(self.ana.pk), "name": "ana@example.com", "allow": True})

    def test_refuses_an_inactive_user_an_unknown_one_and_a_malformed_id(self):
        for user_id in [str(self.cleo.pk), "999999", "nobody", "", "9" * 40, "x\0", 7, None]:
            response = call(Client(), user_id=user_id)
            self.assertEqual(response.status_code, 404, user_id)
            self.assertEqual(response.json(), {"message": "This account cannot sign in."})
            self.assertFalse(response.cookies)

    @override_settings(LANGUAGE_CODE="de")
    def test_the_message_of_a_refusal_is_translated(self):
        self.assertIn("Konto", call(Client(), user_id="999").json()["message"])

    def test_accepts_both_secrets_of_a_rotation_and_no_other(self):
        for secret, status in [(SECRET, 200), (OLD_SECRET, 200), ("whsec_" + "A" * 44, 401)]:
            self.assertEqual(call(Client(), user_id=str(self.ana.pk), secret=secret).status_code, status)

    def test_refuses_the_same_bytes_and_accepts_a_retry(self):
        now = int(time.time())
        for timestamp, status in [(now - 1, 200), (now - 1, 401), (now, 200)]:
            response = call(Client(), user_id=str(self.ana.pk), id="a", timestamp=timestamp)
            self.assertEqual(response.status_code, status)

    def test_refuses_a_timestamp_that_only_begins_like_a_number(self):
        for timestamp in ["1e9", f"{int(time.time())}.5", f" {int(time.time())}", "٣"]:
            self.assertEqual(call(Client(), user_id=str(self.ana.pk), timestamp=timestamp).status_code, 401)

    def test_old_calls_are_forgotten(self):
        self.sign_in()
        AcceptedCall.objects.update(at="2020-01-01T00:00:00Z")
        self.sign_in()
        self.assertEqual(AcceptedCall.objects.count(), 1)

    def test_a_replay_leaves_the_transaction_of_the_request_intact(self):
        with transaction.atomic():  # as with ATOMIC_REQUESTS
            self.sign_in(id="a", timestamp=(now := int(time.time())))
            self.assertEqual(call(Client(), user_id=str(self.ana.pk), id="a", timestamp=now).status_code, 401)
            self.assertTrue(get_user_model().objects.exists())

    def test_a_session_that_came_with_the_call_is_left_alone(self):
        client, first = self.sign_in(self.bob)
        planted = client.session.session_key
        response = call(client, user_id=str(self.ana.pk))
        self.assertNotEqual(response.cookies["sessionid"].value, planted)
        self.assertEqual(SessionStore(planted)[SESSION_KEY], str(self.bob.pk))

    def test_nothing_of_an_anonymous_session_is_taken_over(self):
        client = Client()
        session = client.session
        session["basket"] = "planted"
        session.save()
        call(client, user_id=str(self.ana.pk))
        self.assertNotIn("basket", client.session)

    def test_sends_the_signal_and_updates_last_login(self):
        seen = []
        user_logged_in.connect(lambda user, **_: seen.append(user), weak=False, dispatch_uid="test")
        self.addCleanup(user_logged_in.disconnect, dispatch_uid="test")
        self.sign_in()
        self.assertEqual(seen, [self.ana])
        self.ana.refresh_from_db()
        self.assertIsNotNone(self.ana.last_login)

    def test_the_time_of_the_authentication_is_copied_and_never_that_of_the_call(self):
        client, _ = self.sign_in(auth_time=1_700_000_000)
        self.assertEqual(self.whoami(client).json()["auth_time"], 1_700_000_000)
        client, _ = self.sign_in()
        self.assertNotIn("auth_time", self.whoami(client).json())

    def test_a_session_lasts_as_long_as_the_person_chose(self):
        self.assertEqual(self.sign_in(stay=3600)[1].cookies["sessionid"]["max-age"], 3600)
        self.assertEqual(self.sign_in(stay="browser")[1].cookies["sessionid"]["max-age"], "")
        for other in [None, "week", -1, True]:
            self.assertEqual(self.sign_in(stay=other)[1].cookies["sessionid"]["max-age"], 1_209_600)

    @override_settings(
        AUTHENTICATION_BACKENDS=["tests.people.backends.PermissionsOnly", "tests.people.backends.Everybody"]
    )
    def test_with_several_backends_the_one_that_knows_the_user_is_used(self):
        client, _ = self.sign_in()
        self.assertEqual(client.session["_auth_user_backend"], "tests.people.backends.Everybody")
        self.assertEqual(call(Client(), user_id=str(self.cleo.pk)).status_code, 404)

    def test_a_site_below_a_path_takes_calls_for_the_path_with_and_without_it(self):
        self.addCleanup(set_script_prefix, "/")
        with override_settings(FORCE_SCRIPT_NAME="/shop"):
            for url in ["/shop/_qr/login", "/_qr/login"]:
                self.sign_in(url="https://app.example.com" + url)
            self.assertEqual(
                call(Client(), user_id="1", url="https://app.example.com/other/_qr/login").status_code, 401
            )

    def test_takes_post_only(self):
        for path in ["/_qr/login", "/_qr/revoke"]:
            self.assertEqual(self.whoami_at(path), 405)
        self.assertEqual(Client().post("/_qr/whoami").status_code, 405)

    def whoami_at(self, path):
        return Client().get(path).status_code

    def test_csrf_protection_does_not_apply(self):
        response = call(Client(enforce_csrf_checks=True), user_id=str(self.ana.pk))
        self.assertEqual(response.status_code, 200)

    async def test_the_hooks_run_under_asgi(self):
        response = await self.async_client.get("/_qr/whoami")
        self.assertEqual(response.status_code, 401)


class Administrators(Hooks):
    def setUp(self):
        super().setUp()
        if not hasattr(self.ana, "is_superuser"):
            self.skipTest("this user model has none")
        self.admin = get_user_model().objects.create_superuser("admin", password="admin")

    def test_are_refused_unless_a_setting_allows_them(self):
        self.assertEqual(call(Client(), user_id=str(self.admin.pk)).status_code, 404)
        with override_settings(QRGATE_ALLOW_ADMINISTRATORS=True):
            client, _ = self.sign_in(self.admin)
            self.assertIs(self.whoami(client).json()["allow"], True)
        self.assertIs(self.whoami(client).json()["allow"], False)


class Whoami(Hooks):
    def test_never_redirects(self):
        response = self.whoami(Client())
        self.assertEqual((response.status_code, response.json()), (401, {}))

    def test_tells_when_a_person_signed_in_with_a_password(self):
        client = Client()
        client.force_login(self.ana)  # sends `user_logged_in`
        self.assertAlmostEqual(self.whoami(client).json()["auth_time"], time.time(), delta=5)

    def test_a_site_may_have_a_condition_of_its_own(self):
        client, _ = self.sign_in()
        for condition, allow in [
            ("tests.test_hooks.second_factor", False),
            (lambda request, user: user == self.ana, True),
        ]:
            with override_settings(QRGATE_ALLOW=condition):
                self.assertIs(self.whoami(client).json()["allow"], allow)


def second_factor(request, user):
    return request.session.get("second_factor", False)


class Revoke(Hooks):
    def test_ends_the_session_it_names_in_each_engine(self):
        with tempfile.TemporaryDirectory() as folder:
            for engine in ENGINES:
                with (
                    self.subTest(engine),
                    override_settings(
                        SESSION_ENGINE=f"django.contrib.sessions.backends.{engine}", SESSION_FILE_PATH=folder
                    ),
                ):
                    (one, named), (two, _) = self.sign_in(), self.sign_in()
                    for _ in range(2):
                        response = self.revoke(named.json()["session"])
                        self.assertEqual(response.status_code, 204)
                    self.assertEqual((self.whoami(one).status_code, self.whoami(two).status_code), (401, 200))

    def revoke(self, session, user=None):
        return call(Client(), "/_qr/revoke", user_id=str((user or self.ana).pk), session=session)

    @override_settings(SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies")
    def test_a_session_in_a_signed_cookie_has_no_name(self):
        client, response = self.sign_in()
        self.assertEqual((response.status_code, response.content), (204, b""))
        self.assertEqual(self.whoami(client).status_code, 200)

    def test_a_session_without_a_name_is_not_there(self):
        for name in ["never-was", "", "999", "9" * 30, None, 1, ["1"]]:
            self.assertEqual(self.revoke(name).status_code, 204, name)

    def test_the_name_is_not_what_signs_the_phone_in(self):
        client, response = self.sign_in()
        self.assertNotIn(client.session.session_key, response.content.decode())

    def test_leaves_the_session_of_another_person_alone(self):
        bob, response = self.sign_in(self.bob)
        self.assertEqual(self.revoke(response.json()["session"], self.ana).status_code, 404)
        self.assertEqual(self.whoami(bob).status_code, 200)

    def test_sends_the_signal(self):
        seen = []
        user_logged_out.connect(lambda user, **_: seen.append(user), weak=False, dispatch_uid="test")
        self.addCleanup(user_logged_out.disconnect, dispatch_uid="test")
        _, response = self.sign_in()
        self.revoke(response.json()["session"])
        self.assertEqual(seen, [self.ana])

    def test_refuses_a_login_call_and_the_login_hook_a_revoke_call(self):
        self.assertEqual(call(Client(), "/_qr/revoke", type="qr.login").status_code, 401)
        self.assertEqual(call(Client(), "/_qr/login", type="qr.revoke").status_code, 401)
