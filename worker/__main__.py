"""`python -m worker [Celery's worker arguments]`: one worker process; threads unless `-P` says otherwise."""

from __future__ import annotations

import sys

import celery

# gevent has to patch the standard library before anything else is imported.
if __name__ == "__main__":
    celery.maybe_patch_concurrency()

import contextlib
import faulthandler

import celery.utils.imports
import langsmith
import openai.resources.chat.completions.completions  # noqa: F401  (two greenlets that import it at once hang)
from sqlalchemy.exc import SQLAlchemyError

from jobs.dangerous_settings import refuse_dangerous
from jobs.errors import PenstockError
from jobs.requests.prompt_folder import Prompts
from jobs.settings import Settings
from jobs.storage.database import reason
from jobs.storage.versions.check import refuse_unmigrated
from jobs.telemetry.logs import set_up_logging
from jobs.transport.queue import Queue
from jobs.transport.redis_check import refuse_unfit_redis
from worker.context import WorkerContext
from worker.process import WorkerProcess


def main(arguments: list[str]) -> None:
    """Run until told to end. Exits with one line when a setting is bad or the database is not there."""
    faulthandler.enable()  # `up` ends a worker that stands still by SIGABRT: the log tells where it stood
    # Celery puts the current folder first on sys.path while it imports: a user's file would be taken for one of ours.
    celery.utils.imports.cwd_in_path = contextlib.nullcontext  # type: ignore[assignment]
    if "prefork" in arguments:
        sys.exit("penstock worker: prefork gives each generation a process; use -P threads or -P gevent.")
    try:
        settings = _settings()
        for prompt in Prompts(settings.prompts):
            prompt.import_runnable()
        refuse_unmigrated(settings)
        queue = Queue(settings)
        process = WorkerProcess(WorkerContext(settings, queue))
        process.start()
    except PenstockError as error:
        sys.exit(f"penstock worker: {error}")
    except SQLAlchemyError as error:
        sys.exit(f"penstock worker: the database cannot be used: {reason(error)}")
    _run(process, queue, _celery_arguments(settings, arguments))


def _run(process: WorkerProcess, queue: Queue, arguments: list[str]) -> None:
    try:
        queue.app.worker_main(arguments)
    finally:
        process.close()
    if not process.is_draining:  # Celery calls that a success; a supervisor is to start it again
        sys.exit("penstock worker: it ended without having been told to")


def _celery_arguments(settings: Settings, arguments: list[str]) -> list[str]:
    """All that Celery is told: what the settings say, then what the person says."""
    banner = ["--quiet"] if settings.log_format == "json" else []
    pool = [] if {"-P", "--pool"} & set(arguments) else ["-P", "threads"]
    size = ["-c", str(settings.concurrency)]
    # Wake-ups are for those who take what somebody waits for; a worker for the rest looks every second or two.
    wakeups = [] if "default" in settings.tiers else ["-Q", "penstock.none"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", settings.log_level]
    return [*banner, "worker", *pool, *size, *wakeups, *quiet, *arguments]


def _settings() -> Settings:
    """The settings, with the log set up by them. Raises BadSetting, also for dangerous ones and an unfit Redis."""
    settings = Settings.load()
    refuse_dangerous(settings)
    refuse_unfit_redis(settings)
    set_up_logging(settings.log_level, settings.log_format)
    if not settings.langsmith:
        langsmith.configure(enabled=False)  # whatever its variables say, which may be meant for other programs
    return settings


if __name__ == "__main__":
    main(sys.argv[1:])
