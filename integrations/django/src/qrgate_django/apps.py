"""The application `qrgate_django` of INSTALLED_APPS."""

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.core.checks import Tags, register


class QrgateConfig(AppConfig):
    name = "qrgate_django"
    verbose_name = "qrgate"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, people

        user_logged_in.connect(people.remember_when, dispatch_uid="qrgate_django.auth_time")
        for check in checks.ALL:
            register(check, Tags.security)
