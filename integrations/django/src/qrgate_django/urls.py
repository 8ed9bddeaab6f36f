"""The hooks' addresses: `path("_qr/", include("qrgate_django.urls"))` puts them where proxy.toml expects them."""

from django.urls import path

from . import views

app_name = "qrgate"

urlpatterns = [
    path("whoami", views.whoami, name="whoami"),
    path("login", views.login, name="login"),
    path("revoke", views.revoke, name="revoke"),
]
