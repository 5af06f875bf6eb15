"""What generations and viewers need: measured costs of each, multiplied."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

# How busy a core may be on average, so that nothing waits when many come at once.
_BUSY = 0.6
_LOG_SECONDS = 600  # for so long an ended job's log stays


@dataclass(frozen=True)
class Costs:
    """Seconds of CPU time, and bytes; `python3 start.py bench capacity measure` measures all but `worker_token`."""

    worker_second: float  # of a second of one generation at `tokens_a_second`
    web_viewer_second: float  # of a second of one viewer of such a generation
    redis_second: float  # of a second of one generation that somebody watches
    redis_quiet_second: float  # of one that nobody watches
    database_job: float  # of one job, from accept to end
    web_job: float  # of one job that nobody watches: its create
    log_token: float  # bytes in Redis of a watched job, while it runs and ten minutes on
    log_quiet_token: float  # of one that nobody watches
    viewer_token: float  # bytes to a viewer
    stored_token: float  # bytes in the database: response and transcript
    worker_base: float  # bytes of memory of a process
    web_base: float
    worker_token: float  # bytes of memory of a worker while an answer is written
    tokens_a_second: float


@dataclass(frozen=True)
class Load:
    """What is asked: generations that run at once, viewers, and how many tokens an answer has."""

    running: int
    viewers: int
    tokens: int = 2_000


@dataclass(frozen=True)
class Needs:
    """What that takes: processes, each of which uses one core, and cores, bytes and bits of the rest."""

    workers: int
    webs: int
    redis_cores: float
    database_cores: float
    memory_gb: float
    redis_gb: float
    megabits: float
    stored_gb_a_day: float


def needs_of(load: Load, costs: Costs, concurrency: int = 100, connections: int = 2_000) -> Needs:
    """What a load needs, when a worker takes `concurrency` jobs at most, and a web process so many `connections`."""
    jobs_a_second = load.running * costs.tokens_a_second / load.tokens
    watched = min(1, load.viewers / load.running)
    redis = load.running * (watched * costs.redis_second + (1 - watched) * costs.redis_quiet_second)
    workers = max(1, ceil(max(load.running * costs.worker_second / _BUSY, load.running / concurrency)))
    web_seconds = load.viewers * costs.web_viewer_second + jobs_a_second * costs.web_job
    webs = max(1, ceil(max(web_seconds / _BUSY, load.viewers / connections)))
    memory = workers * costs.worker_base + webs * costs.web_base
    memory += load.running * load.tokens / 2 * costs.worker_token  # half written, on average
    kept = load.running * load.tokens / 2 + jobs_a_second * load.tokens * _LOG_SECONDS
    log = kept * (watched * costs.log_token + (1 - watched) * costs.log_quiet_token)
    return Needs(
        workers=workers,
        webs=webs,
        redis_cores=redis / _BUSY,
        database_cores=jobs_a_second * costs.database_job / _BUSY,
        memory_gb=memory / 1e9,
        redis_gb=log / 1e9,
        megabits=load.viewers * costs.tokens_a_second * costs.viewer_token * 8 / 1e6,
        stored_gb_a_day=jobs_a_second * load.tokens * 86_400 * costs.stored_token / 1e9,
    )
