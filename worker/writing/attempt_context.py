"""What everything that one attempt does needs, and which models it asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from jobs.status.details import StatusDetails
from jobs.storage.attempts import Checkpoint, Claim
from worker.attempt_state import Phase
from worker.context import WorkerContext
from worker.model import structured
from worker.model.cancellation import Cancellation
from worker.model.errors import ModelError
from worker.model.failure_details import failure_details
from worker.model.request import ModelRequest
from worker.publishing.event_writer import EventWriter
from worker.writing.persist import persist


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """The attempt's events, its cancellation, the worker's parts, and the images of the job by name."""

    writer: EventWriter
    cancellation: Cancellation
    context: WorkerContext
    images: Mapping[str, bytes]

    @property
    def claim(self) -> Claim:
        """The attempt's right to its job."""
        return self.writer.claim

    def model_request(self) -> ModelRequest:
        """What the job asks of its model."""
        return ModelRequest.for_job(self.claim.job.request, self.images)

    @property
    def models(self) -> dict[str, str | None]:
        """The models that were asked, each with why it was given up, or None; the response tells of them.

        Those that an earlier attempt has checkpoints of are among them.
        """
        items = chain.from_iterable(checkpoint.items for checkpoint in self.claim.checkpoints)
        earlier = chain.from_iterable(item.get("models", ()) for item in items)
        models: dict[str, str | None] = self.writer.notes.setdefault("models", dict.fromkeys(earlier))
        return models

    @property
    def model(self) -> str:
        """Whom to ask: the model that the request names, else the first of its fallbacks that is not given up."""
        candidates = self._candidates
        return next((name for name in candidates if self.models.get(name) is None), candidates[0])

    @property
    def has_fallback(self) -> bool:
        """Whether there is another model to ask when the present one is given up."""
        return any(name != self.model and self.models.get(name) is None for name in self._candidates)

    @property
    def _candidates(self) -> tuple[str, ...]:
        requested = self.claim.job.request.model
        return (requested, *self.context.settings.server_of(requested).fallbacks)

    def cause_of(self, error: ModelError) -> StatusDetails:
        """Why the attempt fails with this error of its model."""
        return failure_details(error, self.model, self.context.settings)

    def checkpoint(self, section: int, usage: Mapping[str, int] | None, items: Any) -> None:
        """Commit a finished section.

        Raises ModelError when its text has not the requested format, Replaced, Stopped.
        """
        self.cancellation.check(Phase.COMMITTING)
        structured.noted_of(self.claim.job.request, {"output": items})
        models = [name for name, error in self.models.items() if error is None]
        finished = Checkpoint(section, [{**item, "models": models} for item in items], usage)
        persist(partial(self.context.attempts.checkpoint, self.claim, finished), self.cancellation)
