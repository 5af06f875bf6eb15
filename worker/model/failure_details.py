"""What people are told of a model's fault for which a job fails: which server, which key, which models there are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx2

from jobs.model_server import offered_models
from jobs.secrets import Secrets
from jobs.settings import Settings
from jobs.status.details import StatusDetails
from worker.model.errors import ModelError

_DEFAULT_KEY = "OPENAI_API_KEY"
_MOST_MODELS = 10


def failure_details(error: ModelError, model: str, settings: Settings) -> StatusDetails:
    """The details of a failed job. Asks the server for its models when it does not know the one that was asked."""
    server = settings.server_of(model)
    values: dict[str, Any] = {"server": Secrets(settings).without_userinfo(server.url), "model": model}
    if error.cause_code == "key_refused":
        values |= _variable(server.key_variable, settings, model)
    elif error.cause_code == "model_not_found" and model not in settings.listed:
        values |= _models(settings)
    return StatusDetails(error.cause_code, values)


def _variable(named: str, settings: Settings, model: str) -> Mapping[str, Any]:
    """The variable that the key is read from, if there is one."""
    variable = named or ("" if model in settings.listed else _DEFAULT_KEY)
    return {"variable": variable} if variable else {}


def _models(settings: Settings) -> Mapping[str, Any]:
    with suppress(httpx2.HTTPError, ValueError):
        if offered := sorted(offered_models(settings)):
            more = ["…"] if len(offered) > _MOST_MODELS else []
            return {"models": offered[:_MOST_MODELS] + more}
    return {}
