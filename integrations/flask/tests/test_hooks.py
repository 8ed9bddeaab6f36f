"""The hooks, by Flask's test client."""

import tempfile
import time
import unittest
import unittest.mock
from http.cookies import SimpleCookie

from flask import Flask, render_template_string, session
from flask_login import login_user, user_logged_in, user_logged_out
from flask_wtf.csrf import CSRFProtect

from qrgate_flask import QRGate
from tests.applications import (
    OLD_SECRET,
    SECRET,
    User,
    at_the_server,
    load_user,
    make,
    with_flask_login,
    with_functions,
)
from tests.calls import call


class Hooks(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def sign_in(self, app, user_id="1", **message):
        client = app.test_client()
        response = call(client, user_id=user_id, **message)
        self.assertIn(response.status_code, (200, 204), response.data)
        return client, response

    def whoami(self, client):
        response = client.get("/_qr/whoami", headers={"Host": "app.example.com"})
        return response.get_json() if response.status_code == 200 else response.status_code

    def cookie(self, response, name="session"):
        jar = SimpleCookie()
        for line in response.headers.getlist("Set-Cookie"):
            jar.load(line)
        return jar.get(name)


class Login(Hooks):
    def test_signs_a_user_in_with_flask_login(self):
        client, response = self.sign_in(with_flask_login(self.folder)[0], user_id="2")
        self.assertEqual((response.status_code, response.headers["Cache-Control"]), (204, "no-store"))
        self.assertTrue(self.cookie(response)["httponly"])
        self.assertEqual(self.whoami(client), {"qrgate": 1, "user_id": "2", "name": "bob", "allow": True})

    def test_signs_a_user_in_with_functions(self):
        app, _ = with_functions(self.folder)
        client, _ = self.sign_in(app)
        self.assertEqual(self.whoami(client), {"qrgate": 1, "user_id": "1", "name": "ana", "allow": True})
        self.assertEqual(call(app.test_client(), user_id="3").status_code, 404)

    def test_refuses_an_inactive_user_an_unknown_one_and_a_malformed_id(self):
        app, _ = with_flask_login(self.folder)
        for user_id in ["3", "999", "nobody", "", None, 1, ["1"]]:
            response = call(app.test_client(), user_id=user_id)
            self.assertEqual(
                (response.status_code, response.get_json()), (404, {"message": "This account cannot sign in."})
            )
            self.assertIsNone(self.cookie(response))

    def test_the_message_of_a_refusal_is_in_the_language_of_the_phone(self):
        app, _ = with_flask_login(self.folder)
        for language, word in [("de-CH,de;q=0.9", "Konto"), ("zh-CN", "帐号"), ("pt", "account")]:
            response = call(app.test_client(), user_id="3", headers={"Accept-Language": language})
            self.assertIn(word, response.get_json()["message"])

    def test_an_administrator_is_refused_unless_a_function_allows_it(self):
        app, _ = with_flask_login(self.folder)
        self.assertEqual(call(app.test_client(), user_id="4").status_code, 404)
        app, _ = with_flask_login(self.folder, allow=lambda user: True)
        client, _ = self.sign_in(app, user_id="4")
        self.assertIs(self.whoami(client)["allow"], True)

    def test_accepts_both_secrets_of_a_rotation_and_no_other(self):
        app, _ = with_flask_login(self.folder)
        for secret, status in [(SECRET, 204), (OLD_SECRET, 204), ("whsec_" + "A" * 44, 401)]:
            self.assertEqual(call(app.test_client(), user_id="1", secret=secret).status_code, status)

    def test_refuses_the_same_bytes_in_each_process_and_accepts_a_retry(self):
        now = int(time.time())
        for timestamp, status in [(now - 1, 204), (now - 1, 401), (now, 204)]:
            app, _ = with_flask_login(self.folder)  # as another worker would
            self.assertEqual(call(app.test_client(), user_id="1", id="a", timestamp=timestamp).status_code, status)

    def test_nothing_of_a_session_that_came_with_the_call_is_taken_over(self):
        for extend in [lambda app: None, at_the_server]:
            app, _ = with_flask_login(self.folder, extend)
            app.add_url_rule("/plant", "plant", lambda: session.update(basket="planted") or "")
            app.add_url_rule("/basket", "basket", lambda: session.get("basket", "empty"))
            client = app.test_client()
            planted = self.cookie(client.get("/plant", headers={"Host": "app.example.com"})).value
            response = call(client, user_id="1")
            self.assertNotEqual(self.cookie(response).value, planted)
            self.assertEqual(client.get("/basket", headers={"Host": "app.example.com"}).text, "empty")

    def test_sends_the_signal(self):
        app, _ = with_flask_login(self.folder)
        seen = []
        with user_logged_in.connected_to(lambda sender, user: seen.append(user.name), app):
            self.sign_in(app)
        self.assertEqual(seen, ["ana"])

    def test_the_time_of_the_authentication_is_copied_and_never_that_of_the_call(self):
        app, _ = with_flask_login(self.folder)
        self.assertEqual(self.whoami(self.sign_in(app, auth_time=1_700_000_000)[0])["auth_time"], 1_700_000_000)
        self.assertNotIn("auth_time", self.whoami(self.sign_in(app)[0]))

    def test_a_sign_in_with_a_password_gives_its_time(self):
        app, _ = with_flask_login(self.folder)
        app.add_url_rule("/password", view_func=lambda: str(login_user(load_user("1"))))
        client = app.test_client()
        client.get("/password", headers={"Host": "app.example.com"})
        self.assertAlmostEqual(self.whoami(client)["auth_time"], time.time(), delta=5)

    def test_without_flask_login_the_application_says_when_a_person_signed_in(self):
        app, gate = with_functions(self.folder)
        app.add_url_rule("/password", view_func=lambda: gate.signed_in() or "")
        client, _ = self.sign_in(app)
        client.get("/password", headers={"Host": "app.example.com"})
        self.assertAlmostEqual(self.whoami(client)["auth_time"], time.time(), delta=5)

    def test_a_session_lasts_as_long_as_the_person_chose(self):
        for extend in [lambda app: None, at_the_server]:
            app, _ = with_flask_login(self.folder, extend)
            self.assertIn("expires=", str(self.cookie(self.sign_in(app, stay=3600)[1])).lower())
            self.assertNotIn("expires=", str(self.cookie(self.sign_in(app, stay="browser")[1])).lower())

    def test_a_cookie_that_was_kept_longer_signs_nobody_in(self):
        app, _ = with_flask_login(self.folder)
        client, response = self.sign_in(app, stay=1)
        with unittest.mock.patch("qrgate_flask.sessions.time.time", lambda: time.time() + 10):
            value = self.cookie(response).value
            self.assertEqual(
                app.test_client().get("/_qr/whoami", headers={"Cookie": f"session={value}"}).status_code, 401
            )

    def test_a_site_below_a_path_takes_calls_for_the_path_with_and_without_it(self):
        app, _ = with_flask_login(self.folder)
        for url, status in [("/shop/_qr/login", 204), ("/_qr/login", 204), ("/other/_qr/login", 401)]:
            client = app.test_client()
            post = client.post
            client.post = lambda path, **options: post(path, environ_overrides={"SCRIPT_NAME": "/shop"}, **options)  # noqa: B023
            self.assertEqual(call(client, user_id="1", url="https://app.example.com" + url).status_code, status, url)

    def test_flask_wtf_does_not_apply_to_the_hooks_in_either_order(self):
        app, _ = with_flask_login(self.folder, CSRFProtect)
        self.assertEqual(call(app.test_client(), user_id="1").status_code, 204)
        app = make(self.folder)
        CSRFProtect(app)
        QRGate(app, load_user=load_user, login_user=lambda user: True, current_user=lambda: None)
        self.assertEqual(call(app.test_client(), user_id="1").status_code, 204)

    def test_takes_post_only(self):
        app, _ = with_flask_login(self.folder)
        for path in ["/_qr/login", "/_qr/revoke"]:
            self.assertEqual(app.test_client().get(path).status_code, 405)


class Revoke(Hooks):
    def test_ends_the_session_it_names_and_no_other(self):
        for signed in [False, True]:
            app, _ = with_flask_login(self.folder, lambda app: at_the_server(app, signed))  # noqa: B023
            (one, named), (two, _) = self.sign_in(app), self.sign_in(app)
            for _ in range(2):
                self.assertEqual(self.revoke(app, named.get_json()["session"]).status_code, 204)
            self.assertEqual((self.whoami(one), self.whoami(two)["name"]), (401, "ana"))

    def revoke(self, app, name, user_id="1"):
        return call(app.test_client(), "/_qr/revoke", user_id=user_id, session=name)

    def test_ends_a_session_of_an_application_with_functions(self):
        app, _ = with_functions(self.folder)
        at_the_server(app)
        client, named = self.sign_in(app)
        self.assertEqual(self.revoke(app, named.get_json()["session"], "2").status_code, 404)
        self.assertEqual(self.whoami(client)["name"], "ana")
        self.assertEqual(self.revoke(app, named.get_json()["session"]).status_code, 204)
        self.assertEqual(self.whoami(client), 401)

    def test_ends_a_session_by_a_function_of_the_application(self):
        calls = []

        def end_session(key, user_id):
            calls.append((key, user_id))
            return user_id == "1"

        self.assertRaises(ValueError, with_functions, self.folder, end_session=end_session)
        app, _ = with_functions(self.folder, session_key=lambda: "key", end_session=end_session)
        _, named = self.sign_in(app)
        self.assertEqual(self.revoke(app, named.get_json()["session"], "2").status_code, 404)
        self.assertEqual(self.revoke(app, named.get_json()["session"]).status_code, 204)
        self.assertEqual(calls, [("key", "2"), ("key", "1")])

    def test_works_with_the_strong_protection_of_flask_login(self):
        app, _ = with_flask_login(self.folder, at_the_server)
        app.login_manager.session_protection = "strong"
        client, named = self.sign_in(app, headers={"User-Agent": "Phone"})
        self.revoke(app, named.get_json()["session"])
        self.assertEqual(client.get("/_qr/whoami", headers={"User-Agent": "Phone"}).status_code, 401)

    def test_leaves_the_session_of_another_person_alone(self):
        app, _ = with_flask_login(self.folder, at_the_server)
        bob, named = self.sign_in(app, user_id="2")
        self.assertEqual(self.revoke(app, named.get_json()["session"]).status_code, 404)
        self.assertEqual(self.whoami(bob)["name"], "bob")

    def test_the_name_is_not_what_signs_the_phone_in(self):
        _, response = self.sign_in(with_flask_login(self.folder, at_the_server)[0])
        self.assertNotIn(response.get_json()["session"], str(self.cookie(response)))

    def test_a_session_in_its_cookie_has_no_name(self):
        _, response = self.sign_in(with_flask_login(self.folder)[0])
        self.assertEqual((response.status_code, response.data), (204, b""))

    def test_a_session_without_a_name_is_not_there(self):
        app, _ = with_flask_login(self.folder)
        for name in ["never-was", "", None, 1]:
            self.assertEqual(self.revoke(app, name).status_code, 204)

    def test_sends_the_signal(self):
        app, _ = with_flask_login(self.folder, at_the_server)
        _, named = self.sign_in(app)
        seen = []
        with user_logged_out.connected_to(lambda sender, user: seen.append(user.name), app):
            self.revoke(app, named.get_json()["session"])
        self.assertEqual(seen, ["ana"])

    def test_refuses_a_login_call_and_the_login_hook_a_revoke_call(self):
        app, _ = with_flask_login(self.folder)
        self.assertEqual(call(app.test_client(), "/_qr/revoke", type="qr.login").status_code, 401)
        self.assertEqual(call(app.test_client(), "/_qr/login", type="qr.revoke").status_code, 401)


class Pages(Hooks):
    def render(self, template, user_id="1", headers=None, **config):
        app, _ = with_flask_login(self.folder)
        app.config.update(config)
        app.jinja_env.globals.update(config.pop("GLOBALS", {}))
        app.add_url_rule("/page", view_func=lambda: render_template_string(template))
        client = self.sign_in(app, user_id)[0] if user_id else app.test_client()
        return client.get("/page", headers={"Host": "app.example.com", **(headers or {})}).text

    def test_the_button_is_a_form_that_goes_to_qrgate(self):
        html = self.render('{{ qrgate_button(site="A & B", next="/inbox?a=1&b=2") }}')
        self.assertIn('<form method="post" action="/qr/">', html)
        self.assertIn('<input type="hidden" name="next" value="/inbox?a=1&amp;b=2">', html)
        self.assertIn("<h2>Use A &amp; B on your phone</h2>", html)
        self.assertIn("<button>Sign in on your phone</button>", html)

    def test_it_needs_no_inline_style_no_script_and_no_other_site(self):
        html = self.render("{{ qrgate_button() }}")
        self.assertNotRegex(html, r"<script|<style|style=|\son\w+=|https?://")
        self.assertIn('<link rel="stylesheet" href="/_qr/static/button.css">', html)
        app, _ = with_flask_login(self.folder)
        with app.test_client().get("/_qr/static/button.css") as style:
            self.assertIn("text/css", style.headers["Content-Type"])

    def test_its_style_sheet_has_the_nonce_of_the_policy(self):
        self.assertIn('nonce="abc"', self.render("{{ qrgate_button() }}", GLOBALS={"csp_nonce": lambda: "abc"}))

    def test_it_is_not_shown_to_those_who_cannot_use_it(self):
        self.assertEqual(self.render("{{ qrgate_button() }}", user_id=None), "")
        app, _ = with_flask_login(self.folder)
        app.add_url_rule("/page", view_func=lambda: (login_user(User(4, "admin", is_admin=True)), self.button())[1])
        self.assertRegex(app.test_client().get("/page").text, "^<!-- .* -->$")

    def button(self):
        from qrgate_flask.html import button

        return str(button())

    def test_it_is_shown_in_the_language_of_the_site(self):
        words = {"de": "Auf dem Handy anmelden", "zh_Hans": "在手机上登录", "pt": "Sign in on your phone"}
        for language, button in words.items():
            self.assertIn(f"<button>{button}</button>", self.render("{{ qrgate_button() }}", QRGATE_LANGUAGE=language))

    def test_the_link_leads_to_the_page_for_typing_a_code(self):
        link = '<a href="/scan/code/?next=%2Fa%26b">Sign in with your phone</a>'
        self.assertEqual(self.render('{{ qrgate_signin_link(next="/a&b") }}', user_id=None, QRGATE_PATH="/scan/"), link)


class Mistakes(Hooks):
    def warnings(self, **config):
        app = make(self.folder)
        QRGate(app, load_user=load_user, login_user=bool, current_user=lambda: None)
        app.config.update(config)
        with self.assertLogs(app.logger) as log:
            app.logger.info("end")
            app.test_client().get("/")
        return [record.getMessage() for record in log.records[1:]]

    def test_are_reported_at_the_first_request(self):
        self.assertEqual(self.warnings(), [])
        self.assertRegex(self.warnings(QRGATE_HOOK_SECRET=None)[0], "not set; the login hook responds 500")
        self.assertRegex(self.warnings(QRGATE_HOOK_SECRET="whsec_c2hvcnQ=")[0], "shorter than 32 bytes")
        self.assertRegex(self.warnings(QRGATE_ORIGINS=None)[0], "QRGATE_ORIGINS is not set")
        self.assertRegex(self.warnings(QRGATE_ORIGINS="https://app.example.com/")[0], "must end after host and port")
        config = {"QRGATE_ORIGINS": ["http://app.example.com"], "SESSION_COOKIE_SECURE": True}
        self.assertRegex(self.warnings(**config)[0], "SESSION_COOKIE_SECURE")

    def test_a_missing_secret_fails_loudly(self):
        app, _ = with_flask_login(self.folder)
        app.config["QRGATE_HOOK_SECRET"] = ""
        with self.assertRaisesRegex(RuntimeError, "not set"):
            call(app.test_client(), user_id="1", secret="")

    def test_without_flask_login_the_functions_are_needed(self):
        app = Flask(__name__)
        QRGate(app)
        app.testing = True
        with self.assertRaisesRegex(RuntimeError, "needs Flask-Login, or load_user, login_user and current_user"):
            app.test_client().get("/_qr/whoami")


if __name__ == "__main__":
    unittest.main()
