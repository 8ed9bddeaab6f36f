from django.urls import include, path

urlpatterns = [path("_qr/", include("qrgate_django.urls"))]
