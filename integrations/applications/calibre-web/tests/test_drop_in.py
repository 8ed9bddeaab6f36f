"""The drop-in in Calibre-Web's own application, without its server."""

import os
import sys
import tempfile
import unittest
from unittest import mock

FOLDER = tempfile.mkdtemp()
os.environ.update(CALIBRE_DBPATH=FOLDER, HOME=FOLDER)
sys.argv = ["cps-with-qrgate"]

import calibreweb.__main__  # noqa: E402, F401  puts `cps` on the path
from cps import app, constants, ub  # noqa: E402
from qrgate_calibre_web import drop_in  # noqa: E402


class DropIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ub.init_db(os.path.join(FOLDER, "app.db"))
        ub.session.add(ub.User(name="ana", role=constants.ROLE_USER, password="x"))
        ub.session.commit()
        drop_in.add_hooks()

    def named(self, name):
        return ub.session.query(ub.User).filter_by(name=name).one()

    def test_finds_users_and_neither_guest_nor_unknown_ones(self):
        ana = self.named("ana")
        self.assertIs(drop_in.load_user(str(ana.id)), ana)
        self.assertIsNone(drop_in.load_user(str(self.named("Guest").id)))
        self.assertIsNone(drop_in.load_user("999"))
        self.assertRaises(ValueError, drop_in.load_user, "nobody")

    def test_allows_administrators_by_a_variable_only(self):
        self.assertTrue(drop_in.is_allowed(self.named("ana")))
        self.assertFalse(drop_in.is_allowed(self.named("admin")))
        with mock.patch.dict(os.environ, QRGATE_ALLOW_ADMINISTRATORS="1"):
            self.assertTrue(drop_in.is_allowed(self.named("admin")))

    def test_ends_the_session_of_its_user_and_no_other(self):
        ana = self.named("ana")
        ub.session.add_all([ub.User_Sessions(ana.id, "key", random, 0) for random in ["one", "two"]])
        ub.session.commit()
        self.assertFalse(drop_in.end_session("one", "999"))
        self.assertTrue(drop_in.end_session("one", str(ana.id)))
        self.assertTrue(drop_in.end_session("one", str(ana.id)), "again")
        left = [row.random for row in ub.session.query(ub.User_Sessions)]
        self.assertEqual(left, ["two"])

    def test_keeps_accepted_calls_beside_the_settings(self):
        store = app.extensions["qrgate"].store(app)
        self.assertEqual(store.path.parent, __import__("pathlib").Path(FOLDER))

    def test_extends_two_pages_and_keeps_the_others(self):
        for name in ["login.html", "user_edit.html"]:
            source, _, _ = app.jinja_loader.get_source(app.jinja_env, name)
            self.assertTrue(source.startswith('{% extends "cps/' + name), source)
        self.assertIn("<html", app.jinja_loader.get_source(app.jinja_env, "layout.html")[0])


if __name__ == "__main__":
    unittest.main()
