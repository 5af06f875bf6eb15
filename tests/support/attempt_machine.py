"""One job and everybody who touches it, as steps that a test takes in any order: workers, web, Redis, a viewer.

The parts are the product's own (rows, fence, log script, writers, publishers, the attempt's begin and end); only the
order is the test's. Each call to Redis and to the database may fail, or be done and its answer lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import orjson
import redis
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from jobs.errors import JobNotFound
from jobs.job import Status
from jobs.protocol import events, transcript
from jobs.protocol.fold import Fold, text_of
from jobs.storage.attempts import AttemptStore, Checkpoint, Claim, Finish, Note, Replaced
from jobs.storage.schema import checkpoints, jobs
from jobs.telemetry.metrics import Metrics
from jobs.transport.event_log import Append, AppendResult, AppendStatus, EventLog, channel
from tests.support.job_factory import OWNER, JobFactory
from worker.attempt_state import Action, Phase, Reason
from worker.generate import _action
from worker.model.cancellation import Stopped
from worker.model.chunks import Kind
from worker.publishing.publisher import Publisher
from worker.running_jobs import RunningJob
from worker.writing.attempt_context import AttemptContext
from worker.writing.ending import end
from worker.writing.leaving import give_back, let_go
from worker.writing.outcome import Outcome
from worker.writing.resume import begin
from worker.writing.section import Section

T = TypeVar("T")

SECTIONS = 2
WORDS = 3
# What becomes of a call: it is done and answered, done but its answer is lost, or not done.
FATES = ("done", "done", "done", "unheard", "away")

Row = Mapping[str, Any]


class ShakyLog(EventLog):
    """The event log over a network whose next calls have a fate."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self.fate = "done"

    def append(self, batches: Sequence[Append]) -> list[AppendResult]:
        failed = [AppendResult(AppendStatus.FAILED)] * len(batches)
        if self.fate == "away":
            return failed
        results = super().append(batches)
        return results if self.fate == "done" else failed

    def take(self, job_id: str, attempt: int) -> AppendResult:
        return self._fated(lambda: super(ShakyLog, self).take(job_id, attempt))

    def rebuild(self, job_id: str, attempt: int, pages: Iterable[Sequence[tuple[int, bytes]]]) -> AppendResult:
        return self._fated(lambda: super(ShakyLog, self).rebuild(job_id, attempt, pages))

    def read(self, job_id: str, after: int = -1) -> Iterator[list[tuple[int, bytes]]]:
        if self.fate == "away":
            raise redis.ConnectionError
        return super().read(job_id, after)

    def _fated(self, call: Callable[[], AppendResult]) -> AppendResult:
        if self.fate == "away":
            raise redis.ConnectionError
        result = call()
        if self.fate == "unheard":
            raise redis.ConnectionError
        return result


class ShakyAttempts(AttemptStore):
    """The rows as an attempt writes them; the next write has a fate, and is repeated by whoever depends on it."""

    fate = "done"

    def claim_one(self, job_id: str, worker: str) -> Claim | None:
        return self._fated(lambda: super(ShakyAttempts, self).claim_one(job_id, worker))

    def checkpoint(self, claim: Claim, finished: Checkpoint) -> None:
        self._fated(lambda: super(ShakyAttempts, self).checkpoint(claim, finished))

    def finish(self, note: Note, response: Mapping[str, Any], frames: bytes) -> Finish:
        return self._fated(lambda: super(ShakyAttempts, self).finish(note, response, frames))

    def give_back(self, claim: Claim, next_number: int) -> bool:
        return self._fated(lambda: super(ShakyAttempts, self).give_back(claim, next_number))

    def _fated(self, call: Callable[[], T]) -> T:
        fate, self.fate = self.fate, "done"
        error = OperationalError("", {}, Exception("server closed the connection unexpectedly"))
        if fate == "away":
            raise error
        result = call()
        if fate == "unheard":
            raise error
        return result


class Run:
    """One attempt in a process of its own. It lives on when another attempt has replaced it, as a frozen one does."""

    def __init__(self, world: World, claim: Claim) -> None:
        self._world = world
        self.running = RunningJob(claim)
        self.log = ShakyLog(world.client)
        self.attempts = ShakyAttempts(world.rows.database)
        self.publisher = Publisher(self.log)
        self.context: Any = SimpleNamespace(
            attempts=self.attempts,
            log=self.log,
            publisher=self.publisher,
            store=world.rows.store,
            settings=world.settings,
            queue=SimpleNamespace(wake=lambda _: None),
            telemetry=SimpleNamespace(metrics=Metrics("worker")),
        )
        self.is_over = False
        self._attempt: AttemptContext | None = None
        self._sections: dict[int, Section] = {}
        self._words: dict[int, int] = {}
        self.finished = {checkpoint.section for checkpoint in claim.checkpoints}
        self.now = 0.0

    @property
    def number(self) -> int:
        """The attempt's number: its fencing token."""
        return self.running.claim.attempt

    @property
    def is_complete(self) -> bool:
        """Whether the model has said all of every section."""
        return len(self.finished) == SECTIONS

    def begin(self) -> None:
        """Take the log over and bring it up to the checkpoints."""
        self._step(self._begin)

    def _begin(self) -> None:
        self._attempt = begin(self.running, self.context)

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
                kind = Kind.REASONING if position == 0 and number == 0 else Kind.TEXT
                section.write(kind, self._world.word(self.number, number, position))
                attempt.writer.buffer.snapshot()
                self._words[number] = position + 1

    def finish_section(self) -> None:
        """The model has said all of a section: it becomes a checkpoint."""
        self._step(self._finish_section)

    def _finish_section(self) -> None:
        attempt = self._begun()
        number = self._next_section()
        if number is None or self._words.get(number, 0) < WORDS:
            return
        section = self._sections[number]
        section.finish(lambda items: attempt.checkpoint(number, None, items))
        self.finished.add(number)

    def end(self, status: Status) -> None:
        """The attempt's outcome is known and stored."""
        outcome = Outcome.failed("no more") if status is Status.FAILED else Outcome(status)
        self._step(lambda: end(self._begun(), outcome), ends=True)

    def notice(self) -> None:
        """The heartbeat reads the row, and tells the attempt why it may have to stop."""
        if self.is_over:
            return
        job = self._world.row()
        if job is None or job["attempt"] != self.number or job["status"] != Status.IN_PROGRESS:
            self.running.cancellation.request(Reason.REPLACED)
        elif job["cancel_requested_at"]:
            self.running.cancellation.request(Reason.CANCEL, since=job["cancel_requested_at"])
        self._step(self._check)

    def drain(self) -> None:
        """The worker has to go."""
        if not self.is_over:
            self.running.cancellation.request(Reason.DRAIN)
            self._step(self._check)

    def flush(self, fate: str) -> None:
        """The publisher sends what there is."""
        self.log.fate = fate
        self.now += 10.0  # no pause after a failure lasts so long
        self.publisher.flush(self.now)
        self.log.fate = "done"

    def _step(self, step: Callable[[], object], *, ends: bool = False) -> None:
        """Take a step as `generate` does, and leave as it does."""
        if self.is_over:
            return
        try:
            step()
            self.is_over = ends
        except (Replaced, Stopped) as error:
            reaction = _action(error, Phase.WRITING, self.running.cancellation)
            if reaction is Action.END and not ends and self._attempt is not None:
                self.end(Status.CANCELLED)
                return
            self.is_over = True
            if _action(error, Phase.ENDING, self.running.cancellation) is Action.LET_GO:
                let_go(self.running, self.context)
            else:
                give_back(self.running, self.context)

    def _check(self) -> None:
        self._begun().cancellation.check()

    def _begun(self) -> AttemptContext:
        assert self._attempt is not None
        return self._attempt

    def _next_section(self) -> int | None:
        return next((number for number in range(SECTIONS) if number not in self.finished), None)


class World:
    """One job, its attempts, and what holds of them at any time."""

    def __init__(self, rows: JobFactory, client: redis.Redis, settings: Any, *, repeats: bool) -> None:
        """`repeats` when the model says the same words in each attempt."""
        self.rows = rows
        self.client = cast(Any, client)
        self.settings = settings
        self.repeats = repeats
        self.job = rows.accept()
        self.log = EventLog(client)
        self.runs: list[Run] = []
        self.is_deleted = False
        self.claims = 0
        self.committed: dict[int, str] = {}
        self.completed_by_model = False
        self.saved: list[dict[str, bytes | None]] = []
        self.keys = {name: f"{channel(self.job.id)}:{name}" for name in ("log", "fence")}
        self._ended: Row | None = None
        self._frames: dict[int, bytes] = {}

    def word(self, attempt: int, section: int, position: int) -> str:
        """What the model says."""
        return f"{section}.{position} " if self.repeats else f"{section}.{position}.{attempt} "

    def row(self) -> Row | None:
        """The job's row; None when it was deleted."""
        with self.rows.database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.id == self.job.id)).mappings().one_or_none()
        return dict(row) if row else None

    def claim(self, sql: str, redis_fate: str) -> None:
        """A worker claims the job if it is queued, and begins."""
        attempts = ShakyAttempts(self.rows.database)
        attempts.fate = sql
        try:
            claim = attempts.claim_one(self.job.id, f"{self.job.id}-{self.claims}")
        except OperationalError:
            return  # committed or not: this worker never hears of it
        if claim is None:
            return
        self.claims += 1
        missing = set(self.committed) - {checkpoint.section for checkpoint in claim.checkpoints}
        assert not missing, f"invariant 5: sections {missing} would be bought again"
        run = Run(self, claim)
        self.runs.append(run)
        run.log.fate = redis_fate
        run.begin()
        run.log.fate = "done"

    def rescue(self) -> None:
        """The worker that has the job is taken for dead, be it so or not."""
        row = self.row()
        if row is not None and row["worker"]:
            self.rows.attempts.requeue_orphans(row["worker"])

    def delete(self) -> None:
        """The owner removes the job."""
        with suppress(JobNotFound):
            self.rows.store.delete(OWNER, self.job.id)
        self.is_deleted = True
        self.log.delete(self.job.id)

    def cancel(self) -> None:
        """The owner wants it no more."""
        with suppress(JobNotFound):
            self.rows.store.request_cancel(OWNER, self.job.id)

    def save_redis(self) -> None:
        """Redis writes its state to disk."""
        self.saved.append({name: self.client.dump(key) for name, key in self.keys.items()})

    def roll_back_redis(self, index: int) -> None:
        """Redis comes back as it was at some time."""
        self.client.delete(*self.keys.values())
        for name, dump in self.saved[index].items():
            if dump is not None:
                self.client.restore(self.keys[name], 0, dump)

    def lose(self, *names: str) -> None:
        """Redis comes back without these keys."""
        self.client.delete(*(self.keys[name] for name in names))

    @contextmanager
    def guarded(self, run: Run) -> Iterator[None]:
        """A replaced attempt changes neither row nor log (unless the log has lost its fence: the row never)."""
        before, logged, fence = self.row(), self._logged(), int(self.client.get(self.keys["fence"]) or 0)
        stale = before is None or before["attempt"] != run.number or before["status"] != Status.IN_PROGRESS
        yield
        if stale:
            assert self.row() == before, "invariant 4: a replaced attempt changed the row"
            if fence > run.number:
                assert self._logged() == logged, "invariant 4: a replaced attempt changed the log"

    def check(self) -> None:
        """What holds after each step."""
        row = self.row()
        self._check_checkpoints(row)
        for number, frame in self._logged():
            assert self._frames.setdefault(number, frame) == frame, "invariant 2: a number stands for two events"
        if self.is_deleted:
            assert row is None, "a deleted job is back"
        if row is not None and Status(row["status"]).is_terminal:
            if self._ended is None:
                self._ended = row
                self._check_end(row)
            assert row == self._ended, "invariant 3: an ended job has changed"
        assert self._ended is None or row is not None or self.is_deleted, "invariant 1: an ended job is gone"

    def check_deleted_leaves_nothing(self) -> None:
        """Once every attempt has noticed, Redis has no text of a deleted job."""
        assert not self._logged(), "the text of a deleted job is back in Redis"

    def _check_checkpoints(self, row: Row | None) -> None:
        if row is None or row["response"] is not None:
            return
        with self.rows.database.read() as connection:
            query = select(checkpoints).where(checkpoints.c.job_id == self.job.id)
            stored = {line.section: _text(orjson.loads(line.items)) for line in connection.execute(query)}
        for section, text in self.committed.items():
            assert stored.get(section) == text, "invariant 5: a checkpoint has changed"
        self.committed = stored

    def _check_end(self, row: Row) -> None:
        response = orjson.loads(row["response"])
        packed = self.rows.store.transcript(self.job.id)
        assert packed is not None
        told = [event for page in transcript.read(packed) for event in events.events_of(page)]
        fold = Fold()
        deltas: dict[tuple[int, int], str] = {}
        for event in told:
            fold.feed(event)
            place = (event.get("output_index", -1), event.get("content_index", -1))
            if event["type"].endswith(".delta"):
                deltas[place] = deltas.get(place, "") + event["delta"]
            elif event["type"].endswith("text.done"):
                assert deltas.get(place, "") == event["text"], "oracle: deltas and text.done differ"
        numbers = [event["sequence_number"] for event in told]
        assert numbers == sorted(set(numbers)), "invariant 2: numbers repeat or go back"
        assert sum(event["type"] in events.TERMINAL for event in told) == 1, "invariant 3: not one end"
        folded = fold.response()
        assert (folded["status"], text_of(folded)) == (row["status"], text_of(response)), "invariant 3: fold != stored"
        if row["status"] == Status.COMPLETED:
            assert self.completed_by_model, "invariant 6: completed without the model's end"
            assert row["cancel_requested_at"] is None, "a cancelled job is completed"
        self._check_sections(response)

    def _check_sections(self, response: Mapping[str, Any]) -> None:
        """Each finished section has exactly one run in the output, which says what its checkpoint says."""
        for section, text in self.committed.items():
            messages = [
                item
                for item in response["output"]
                if item["penstock"]["section"] == section and item["type"] == "message"
            ]
            assert [_text([item]) for item in messages] == [text], f"oracle: section {section} is not its checkpoint"

    def _logged(self) -> list[tuple[int, bytes]]:
        return [entry for page in self.log.read(self.job.id) for entry in page]


def _text(items: Sequence[Mapping[str, Any]]) -> str:
    parts = (part for item in items if item["type"] == "message" for part in item["content"])
    return "".join(part["text"] for part in parts)
