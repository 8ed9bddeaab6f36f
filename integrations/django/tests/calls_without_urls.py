"""A project that forgot the hooks."""

urlpatterns = []
