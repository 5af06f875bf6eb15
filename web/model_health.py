"""What the model servers say of themselves, for pages: asked in the background, at most every 30 s."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2

from jobs.model_server import offered_models
from jobs.secrets import Secrets
from jobs.settings import Settings

_FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The models that a server offers, or its problem; and how many seconds it took to say so."""

    models: Sequence[str]
    problem: str
    seconds: float


class ModelServer:
    """One server, and its last answer."""

    def __init__(self, name: str, settings: Settings) -> None:
        """`settings` name it as their only one."""
        self.name = name
        self._secrets = Secrets(settings)
        self.url = self._secrets.without_userinfo(settings.openai_base_url)
        self._settings = settings
        self._answer: ServerAnswer | None = None
        self._asked_at = -math.inf
        self._answered = threading.Event()
        self._lock = threading.Lock()

    def latest(self, wait: float) -> ServerAnswer | None:
        """The last answer; None when there is still none after `wait` seconds."""
        with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_SECONDS:
                self._asked_at = time.monotonic()
                threading.Thread(target=self._ask, name="model health", daemon=True).start()
        self._answered.wait(wait)
        return self._answer

    def _ask(self) -> None:
        started = time.monotonic()
        try:
            models, problem = offered_models(self._settings), ""
        except (httpx2.HTTPError, ValueError) as error:
            models = []
            problem = self._secrets.removed_from(str(error).partition("\n")[0]) or type(error).__name__
        self._answer = ServerAnswer(models, problem, time.monotonic() - started)
        self._answered.set()


def model_servers(settings: Settings) -> list[ModelServer]:
    """The servers that the settings name: the default one, unless only others are named, and those."""
    servers = [ModelServer("", settings)] if settings.names_a_model_server or not settings.servers else []
    for name, server in settings.servers.items():
        only = {"openai_base_url": server.url, "openai_api_key": server.key}
        servers.append(ModelServer(name, settings.model_copy(update=only)))
    return servers
