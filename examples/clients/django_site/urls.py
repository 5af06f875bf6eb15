"""Which page has which address."""

from __future__ import annotations

import views
from django.contrib.auth.views import LoginView
from django.urls import path

urlpatterns = [
    path("", views.home),
    path("login", LoginView.as_view()),
    path("jobs", views.create),
    path("jobs/<job_id>", views.show),
    path("jobs/<job_id>/events", views.follow),
]
