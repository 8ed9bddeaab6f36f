"""The calls that were accepted.

The database is where a Django project keeps its users, so all its processes share it, and a unique key is atomic in
each of its engines. Neither holds for every cache: the default one belongs to a single process.
"""

from __future__ import annotations

from datetime import timedelta

from django.db import IntegrityError, models, router, transaction
from django.utils import timezone

KEPT = timedelta(days=1)
"""How long a row stays: far longer than a call is valid, and as long as qrgate may offer to revoke a session."""


MAX_SESSION_KEY = 255


class CallManager(models.Manager["AcceptedCall"]):
    def accept(self, key: str) -> AcceptedCall | None:
        """Stores a call. None if it is stored already."""
        using = router.db_for_write(self.model)
        now = timezone.now()
        self.using(using).filter(at__lt=now - KEPT).delete()
        try:
            with transaction.atomic(using=using):  # an enclosing transaction survives the error
                return self.using(using).create(key=key, at=now)
        except IntegrityError:
            return None


class AcceptedCall(models.Model):
    """A call that was accepted, and the session that it opened."""

    key = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(db_index=True)
    session_key = models.CharField(max_length=MAX_SESSION_KEY, blank=True, default="")

    objects = CallManager()

    class Meta:
        verbose_name = "accepted call"

    def __str__(self) -> str:
        return self.key
