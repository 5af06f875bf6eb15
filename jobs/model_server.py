"""Asks a model server what it offers. Used where LangChain is not: at the start, and to list models."""

from __future__ import annotations

import httpx2

from jobs.errors import BadSetting
from jobs.secrets import Secrets
from jobs.settings import Settings, is_local

_SECONDS = 5.0


def offered_models(settings: Settings) -> list[str]:
    """The names of the models that the server offers.

    Raises httpx2.HTTPError when it cannot be reached or refuses, ValueError when its answer makes no sense.
    """
    response = httpx2.get(
        f"{settings.openai_base_url}/models",
        headers={"Authorization": f"Bearer {settings.openai_api_key or 'none'}"},
        timeout=_SECONDS,
        trust_env=not is_local(settings.openai_base_url),
    )
    response.raise_for_status()
    try:
        return [str(model["id"]) for model in response.json()["data"]]
    except (KeyError, TypeError) as error:
        raise ValueError("its list of models has another form than OpenAI's") from error


def resolve_model(settings: Settings) -> str:
    """The model to use: the one that is set, else the only one that the server offers.

    Raises BadSetting, one line that names the models to choose from or says why there are none.
    """
    if settings.model:
        return settings.model
    if settings.models:
        return settings.models[0]
    secrets = Secrets(settings)
    url = secrets.without_userinfo(settings.openai_base_url)
    try:
        offered = offered_models(settings)
    except (httpx2.HTTPError, ValueError) as error:
        reason = secrets.removed_from(str(error))
        raise BadSetting(f"PENSTOCK_MODEL is not set, and {url} does not say what it offers: {reason}") from error
    if len(offered) != 1:
        names = ", ".join(sorted(offered)) or "none"
        raise BadSetting(f"PENSTOCK_MODEL is not set, and {url} does not offer just one model but: {names}")
    return offered[0]
