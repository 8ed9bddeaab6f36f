"""Where accepted calls are remembered. All processes of the application must share it, and adding must be atomic."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol


class Store(Protocol):
    def add(self, key: str, value: str, seconds: int) -> bool:
        """Keeps a value for some seconds. False, without a change, if the key exists."""

    def get(self, key: str) -> str | None:
        """The value of a key. None once its seconds are over."""


class SqliteStore:
    """A file that all processes of one machine share. Several machines need a `RedisStore`, or another shared store."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if str(path) in ("", ":memory:"):
            raise ValueError("an SQLite database in memory belongs to one process: name a file")
        self.path = Path(path)

    def add(self, key: str, value: str, seconds: int) -> bool:
        now = time.time()
        with self.opened() as db:
            db.execute("delete from kept where until < ?", (now,))
            return db.execute("insert or ignore into kept values (?, ?, ?)", (key, value, now + seconds)).rowcount == 1

    def get(self, key: str) -> str | None:
        with self.opened() as db:
            row = db.execute("select value from kept where key = ? and until >= ?", (key, time.time())).fetchone()
        return row[0] if row else None

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """The database in one transaction, which other processes wait for."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self.path, timeout=30, isolation_level=None)) as db:
                db.execute("begin immediate")
                db.execute("create table if not exists kept (key text primary key, value text, until real)")
                yield db
                db.execute("commit")
        except (OSError, sqlite3.OperationalError) as error:
            raise RuntimeError(
                f"qrgate cannot remember calls in {self.path}: {error}. All processes need to write there; "
                "or pass another store: QRGate(app, store=SqliteStore(path)) or store=RedisStore(client)"
            ) from error


class RedisStore:
    """Keys of a Redis server, for applications on several machines. `client` is one of the package `redis`."""

    def __init__(self, client: Any, prefix: str = "qrgate-flask:") -> None:
        self.client, self.prefix = client, prefix

    def add(self, key: str, value: str, seconds: int) -> bool:
        return bool(self.client.set(self.prefix + key, value, nx=True, ex=seconds))

    def get(self, key: str) -> str | None:
        value = self.client.get(self.prefix + key)
        return value.decode() if isinstance(value, bytes) else value
