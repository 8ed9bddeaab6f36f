import uuid

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class MemberManager(BaseUserManager):
    def create_user(self, email, is_superuser=False, **fields):
        return self.create(email=email, **fields)


class Member(AbstractBaseUser):
    """A user without permissions, whose name is an address and whose id is a UUID."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    USERNAME_FIELD = "email"
    objects = MemberManager()

    class Meta:
        app_label = "people"
