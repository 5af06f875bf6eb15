"""Which model a request gets, and which models there are to name."""

from __future__ import annotations

import httpx2

from jobs.errors import BadSetting, InvalidRequest
from jobs.model_server import offered_models, resolve_model
from jobs.settings import Settings


class ModelChoice:
    """The default is found out at most once; a server that is away is asked again by the next request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._default = settings.model

    def default(self) -> str:
        """The model for a request that names none. Raises InvalidRequest when there is no telling."""
        if not self._default:
            try:
                self._default = resolve_model(self._settings)
            except BadSetting as error:
                raise InvalidRequest(f"Name a model: {error}", param="model") from error
        return self._default

    def names(self) -> list[str]:
        """The models that may be named: those of the settings, else those that the servers offer."""
        if self._settings.models:
            return list(self._settings.models)
        try:
            offered = offered_models(self._settings)
        except (httpx2.HTTPError, ValueError):
            offered = []
        default = [self._settings.model] if self._settings.model else []
        return list(dict.fromkeys([*default, *self._settings.listed, *offered]))
