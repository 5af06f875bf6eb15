"""`/healthz`, `/readyz` and `/v1/models`: is it alive, can it work, with which models."""

from __future__ import annotations

import redis
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from web.api import render
from web.context import WebContext
from web.worker_health import WorkerHealth


class Health:
    """The handlers that say how the site is."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self.workers = WorkerHealth(context.database, context.settings.lease_seconds)
        self.workers.start()

    def healthz(self) -> Response:
        """This process answers."""
        return render.json({"ok": True})

    def readyz(self) -> Response:
        """Whether a job would run: 200 or 503."""
        state = {"database": True, "redis": True, "workers": 0}
        try:
            state["workers"] = self.workers.living()
        except SQLAlchemyError:
            state["database"] = False
        try:
            self._context.redis.ping()
        except redis.RedisError:
            state["redis"] = False
        response = render.json(state)
        response.status_code = 200 if all(state.values()) else 503
        return response

    def models(self) -> Response:
        """The models that a request may name."""
        names = self._context.models.names()
        known = [{"id": name, "object": "model", "created": 0, "owned_by": "penstock"} for name in names]
        return render.json({"object": "list", "data": known})
