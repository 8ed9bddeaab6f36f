"""The addresses of the site."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.views import serve
from django.urls import include, path
from django.views.generic import TemplateView

urlpatterns = [
    path("", TemplateView.as_view(template_name="home.html")),
    path("login/", LoginView.as_view(template_name="login.html", redirect_authenticated_user=True)),
    path("logout/", LogoutView.as_view()),
    path("admin/", admin.site.urls),
    path("static/<path:path>", serve, {"insecure": True}),  # the admin's style sheet; a real site uses a file server
    path("_qr/", include("qrgate_django.urls")),  # qrgate:
]
