"""What remembers accepted calls."""

import os
import stat
import tempfile
import unittest
from concurrent.futures import ProcessPoolExecutor
from unittest.mock import patch

from qrgate_flask import RedisStore, SqliteStore


def add(path):
    return SqliteStore(path).add("one", "", 900)


class Sqlite(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "instance", "qrgate.sqlite3")

    def test_of_several_processes_one_adds_a_key(self):
        with ProcessPoolExecutor(4) as processes:
            self.assertEqual(sorted(processes.map(add, [self.path] * 16)), [False] * 15 + [True])

    def test_a_value_is_kept_for_its_seconds(self):
        store = SqliteStore(self.path)
        self.assertTrue(store.add("one", "value", 900))
        self.assertEqual((store.get("one"), store.get("two")), ("value", None))
        with patch("time.time", lambda: 4e9):
            self.assertIsNone(store.get("one"))
            self.assertTrue(store.add("one", "again", 900))

    def test_only_its_owner_can_read_the_file(self):
        add(self.path)
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_a_file_that_cannot_be_written_is_named(self):
        with self.assertRaisesRegex(RuntimeError, r"cannot remember calls in /dev/null/x: .*store="):
            SqliteStore("/dev/null/x").add("one", "", 900)

    def test_memory_is_refused(self):
        with self.assertRaisesRegex(ValueError, "belongs to one process"):
            SqliteStore(":memory:")


class FakeRedis(dict):
    def set(self, key, value, nx, ex):
        return None if key in self else self.update({key: value.encode()}) or True


class Redis(unittest.TestCase):
    def test_adds_a_key_once(self):
        store = RedisStore(FakeRedis())
        self.assertEqual([store.add("one", "value", 900), store.add("one", "other", 900)], [True, False])
        self.assertEqual((store.get("one"), store.get("two")), ("value", None))
