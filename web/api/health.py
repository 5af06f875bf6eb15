"""`/healthz`, `/readyz` and `/v1/models`: is it alive, can it work, with which models."""

from __future__ import annotations

from typing import Any

import gevent
import redis
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from jobs.errors import InvalidRequest
from jobs.storage.database import check_writable
from web.api import render
from web.context import WebContext

# No round of a heartbeat, and no transaction, takes so long unless something hangs for good.
STUCK_SECONDS = 30.0
# Below the time-outs of who asks.
_READY_SECONDS = 2.0


class Health:
    """The handlers that say how the site is."""

    def __init__(self, context: WebContext) -> None:
        self._context = context
        self._heartbeats = context.heartbeats

    def healthz(self) -> Response:
        """This process answers, and does its duties: 200 or 503. A database or a Redis that is away is no reason."""
        stuck = [beat.name for beat in self._heartbeats if beat.age() > STUCK_SECONDS]
        if self._context.database.longest() > STUCK_SECONDS:
            stuck.append("database")
        response = render.json({"ok": not stuck, "stuck": stuck} if stuck else {"ok": True})
        response.status_code = 503 if stuck else 200
        return response

    def readyz(self) -> Response:
        """Whether a job would be taken and run: 200 or 503. Tells within seconds, whatever is silent."""
        redis_answers = gevent.spawn(self._redis_answers)
        state = {"database": True, "redis": True, "workers": 0}
        try:
            check_writable(self._context.database, _READY_SECONDS)
            state["workers"] = self._context.workers.living()
        except SQLAlchemyError:
            state["database"] = False
        state["redis"] = redis_answers.get()
        response = render.json(state)
        response.status_code = 200 if all(state.values()) else 503
        return response

    def _redis_answers(self) -> bool:
        try:
            self._context.redis.ping()
        except redis.RedisError:
            return False
        return True

    def models(self) -> Response:
        """The models that a request may name."""
        return render.json({"object": "list", "data": [_model(name) for name in self._context.models.names()]})

    def model(self, name: str) -> Response:
        """One of them, by its name. Raises InvalidRequest, which is 404."""
        names = self._context.models.names()
        if name not in names:
            words = f"The model '{name}' does not exist here; there are {', '.join(names) or 'none'}."
            raise InvalidRequest(words, param="model", code="model_not_found")
        return render.json(_model(name))


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "penstock"}
