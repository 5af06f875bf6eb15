"""One attempt in a worker process of its own, taken step by step. It lives on when another one has replaced it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from sqlalchemy.exc import OperationalError

from jobs.job import Status
from jobs.storage.attempts import Claim, Replaced
from jobs.telemetry.metrics import Metrics
from tests.support.attempts.fates import FatedLog, FatedRows
from tests.support.attempts.storage import Storage
from worker.attempt_state import Action, Phase, Reason, Step, first_step
from worker.attempt_state import Row as KnownRow
from worker.generate import _action
from worker.model.cancellation import Stopped
from worker.model.chunks import Kind, Slot, ToolCall
from worker.publishing.publisher import Publisher
from worker.running_jobs import RunningJob
from worker.writing.attempt_context import AttemptContext
from worker.writing.ending import end
from worker.writing.leaving import give_back, let_go
from worker.writing.outcome import STOPPED, Outcome
from worker.writing.resume import begin
from worker.writing.section import Section

SECTIONS = 2
WORDS = 3

_ENDS = {
    Step.END_CANCELLED: Outcome(Status.CANCELLED),
    Step.END_STOPPED: Outcome(Status.INCOMPLETE, reason=STOPPED),
    Step.END_OVER_BUDGET: Outcome.failed("over its budget", "workers_lost"),
}


@cache
def _metrics() -> Metrics:
    """Those of all attempts: nobody looks at them here."""
    return Metrics("worker")


class Run:
    """An attempt by the product's own parts; `word(attempt, section, position)` is what the model says."""

    def __init__(
        self,
        storage: Storage,
        claim: Claim,
        settings: Any,
        word: Callable[[int, int, int], str],
        before_call: Callable[[], None],
    ) -> None:
        self.running = RunningJob(claim)
        self.log = FatedLog(storage.log, before_call)
        self.rows = FatedRows(storage.rows, before_call)
        self.publisher = Publisher(self.log)  # type: ignore[arg-type]
        self.is_over = False
        self.said_all = False
        self.finished = {checkpoint.section for checkpoint in claim.checkpoints}
        self._storage = storage
        self._settings = settings
        self._word = word
        self._attempt: AttemptContext | None = None
        self._sections: dict[int, Section] = {}
        self._words: dict[int, int] = {}
        self._now = 0.0
        self._context: Any = SimpleNamespace(
            attempts=self.rows,
            log=self.log,
            publisher=self.publisher,
            store=storage.store,
            settings=settings,
            queue=SimpleNamespace(wake=lambda _: None),
            telemetry=SimpleNamespace(metrics=_metrics(), job_ended=_metrics().job_ended),
        )

    @property
    def number(self) -> int:
        """The attempt's number: its fencing token."""
        return self.running.claim.attempt

    @property
    def is_complete(self) -> bool:
        """Whether the model has said all of every section."""
        return len(self.finished) == SECTIONS

    def begin(self) -> None:
        """Take the log over, bring it up to the checkpoints, and do what the row says is to be done first."""
        self._step(self._begin)
        job = self.running.claim.job
        row = KnownRow(
            cancel_requested=job.cancel_requested_at is not None,
            stop_requested=job.stop_requested_at is not None,
            rescues=job.rescues,
            is_answered=False,
        )
        if outcome := _ENDS.get(first_step(row, self._settings.max_attempts)):
            self._end(outcome)

    def _begin(self) -> None:
        self._attempt = begin(self.running, self._context)

    def write(self, count: int) -> None:
        """The model says so many words more of the section that is next; each is an event of its own."""
        self._step(lambda: self._write(count))

    def _write(self, count: int) -> None:
        attempt = self._begun()
        attempt.cancellation.check()
        number = self._next_section()
        if number is None:
            return
        section = self._sections.get(number) or self._sections.setdefault(number, Section(attempt.writer, number))
        for _ in range(count):
            position = self._words.get(number, 0)
            if position < WORDS:
                section.write(self._kind(number, position), self._word(self.number, number, position))
                attempt.writer.buffer.snapshot()
                self._words[number] = position + 1

    def _kind(self, section: int, position: int) -> Slot:
        """The first section begins with a thought, the second ends with a call, with another id in each attempt."""
        if (section, position) == (0, 0):
            return Kind.REASONING
        return ToolCall(0, f"call_{self.number}", "tool") if (section, position) == (1, WORDS - 1) else Kind.TEXT

    def ask_again(self) -> None:
        """The model's connection broke, and it begins the section again."""
        number = self._next_section()
        if not self.is_over and number in self._sections:
            self._sections[number].restart("the connection broke")
            self._words[number] = 0

    def finish_section(self) -> None:
        """The model has said all of a section: it becomes a checkpoint."""
        self._step(self._finish_section)

    def _finish_section(self) -> None:
        attempt = self._begun()
        number = self._next_section()
        if number is None or self._words.get(number, 0) < WORDS:
            return
        self._sections[number].finish(lambda items: attempt.checkpoint(number, None, items))
        self.finished.add(number)

    def end(self) -> None:
        """The attempt's outcome is known and stored: completed when the model has said all, else failed."""
        self.said_all = self.is_complete
        self._end(Outcome(Status.COMPLETED) if self.is_complete else Outcome.failed("no more", "server_fault"))

    def _end(self, outcome: Outcome) -> None:
        self._step(lambda: end(self._begun(), outcome), ends=True)

    def beat(self) -> None:
        """The heartbeat notes how far the attempt and its log are."""
        writer = self.running.writer
        if writer is not None and not self.is_over:
            try:
                self.rows.note_progress([writer.note(self._storage.log.server_id())])
            except OperationalError:
                return  # the next beat notes more

    def notice(self) -> None:
        """The heartbeat reads the row, and tells the attempt why it may have to stop."""
        if self.is_over:
            return
        row = self._storage.row()
        cancellation = self.running.cancellation
        if row is None or row["attempt"] != self.number or row["status"] != Status.IN_PROGRESS:
            cancellation.request(Reason.REPLACED)
        elif row["cancel_requested_at"]:
            cancellation.request(Reason.CANCEL, since=row["cancel_requested_at"])
        elif row["stop_requested_at"]:
            cancellation.request(Reason.WIND_DOWN)
        self._step(self._check)

    def drain(self) -> None:
        """The worker has to go."""
        if not self.is_over:
            self.running.cancellation.request(Reason.DRAIN)
            self._step(self._check)

    def flush(self, fate: str) -> None:
        """The publisher sends what there is."""
        self.log.fate = fate
        self._now += 10.0  # no pause after a failure lasts so long
        self.publisher.flush(self._now)
        self.log.fate = "done"

    def _step(self, step: Callable[[], object], *, ends: bool = False) -> None:
        """Take a step as `generate` does, and leave as it does."""
        if self.is_over:
            return
        try:
            step()
            self.is_over = ends
        except (Replaced, Stopped) as error:
            reasons = self.running.cancellation.reasons
            if _action(error, Phase.WRITING, self.running.cancellation) is Action.END and not ends and self._attempt:
                self._end(_ENDS[Step.END_CANCELLED if Reason.CANCEL in reasons else Step.END_STOPPED])
                return
            self.is_over = True
            if _action(error, Phase.ENDING, self.running.cancellation) is Action.LET_GO:
                let_go(self.running, self._context)
            else:
                assert Reason.DRAIN in reasons, "a job is given back for nothing: its claim cost it no budget"
                give_back(self.running, self._context)

    def _check(self) -> None:
        self._begun().cancellation.check()

    def _begun(self) -> AttemptContext:
        assert self._attempt is not None
        return self._attempt

    def _next_section(self) -> int | None:
        return next((number for number in range(SECTIONS) if number not in self.finished), None)
