"""Creates the accounts of this example. Their passwords are their names: never do this in a real site."""

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

ACCOUNTS = [
    ("ana", {}),
    ("bob", {}),
    ("cleo", {"is_active": False}),  # a deactivated account
    ("admin", {"is_staff": True, "is_superuser": True}),  # whoami returns "allow": false for superusers
]


class Command(BaseCommand):
    help = "Makes the users ana, bob, cleo (deactivated) and admin."

    def handle(self, **options):
        for name, flags in ACCOUNTS:
            user, new = User.objects.get_or_create(username=name, defaults=flags)
            if new:
                user.set_password(name)
                user.save()
