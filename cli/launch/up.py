"""`penstock up`: everything on this machine, kept alive until a signal ends it."""

from __future__ import annotations

import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import click
import httpx2

from cli.exit_codes import DONE, FAILED, INTERRUPTED, UNREACHABLE, CommandError
from cli.launch.data_directory import hold, load_settings, make_directory, shown_to_others
from cli.launch.interrupts import Interrupts
from cli.launch.listening import Listener, listen
from cli.launch.processes import DEMO_MODEL, PORT, WEB, WORKER
from cli.launch.redis_server import FAKE, RedisServer, answers
from cli.launch.supervisor import Child, ChildFailed, Supervisor
from cli.launch.watchdog import Watchdog
from jobs.dangerous_settings import refuse_dangerous
from jobs.model_server import resolve_model
from jobs.redis_url import RedisUrl
from jobs.settings import Settings, child_environment
from jobs.storage.versions.migrate import revisions, upgrade
from jobs.storage.workers import declare_dead

_WEAK_REDIS = """no Redis server found: using one in Python, which is slow and forgets all when it ends; \
install redis-server (apt install redis-server, brew install redis)"""

# A worker touches its file once a second; a short lease is no reason to end one that the machine keeps waiting.
_LEAST_FROZEN_SECONDS = 5.0


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=PORT, help="Port to listen on; 0 takes any that is free.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Data directory, else that of PENSTOCK_DATA, else .penstock."
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
@click.option("--demo", is_flag=True, help="Use the offline demo model, whatever model server is set.")
def up(*, host: str, port: int, data: Path | None, workers: int, demo: bool) -> None:
    """Run everything on this machine: a private Redis, the workers and the web server.

    Without OPENAI_API_KEY, OPENAI_BASE_URL and servers in penstock.toml it also runs the offline demo model. Ctrl-C
    ends it in order.
    """
    settings = load_settings(data)
    demo = demo or settings.demo or not (settings.names_a_model_server or settings.servers)
    settings = settings.model_copy(update={"demo": demo})
    refuse_dangerous(settings, [host])
    with (
        Interrupts(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as interrupts,
        hold(settings.data) as lock,
        listen(host, port) as listener,
        shown_to_others(lock, listener.url),
        Supervisor() as supervisor,
    ):
        code = DONE  # a signal is how it is meant to end: no process manager shall call that a failure
        try:
            _run(settings, listener, workers, supervisor)
        except KeyboardInterrupt:
            interrupts.take()
            patience = f"running jobs have {settings.drain_seconds:g} s, then they wait for the next start"
            click.echo(f"\nstopping: {patience}; once more to end at once", err=True)
        except ChildFailed as failure:
            code = FAILED
            click.echo(f"{failure.tail}Error: {failure}", err=True)
        try:
            supervisor.stop()
        except KeyboardInterrupt:  # leaving the supervisor kills what still runs
            interrupts.take()
            code = INTERRUPTED
    raise click.exceptions.Exit(code)


def _run(settings: Settings, listener: Listener, workers: int, supervisor: Supervisor) -> None:
    # A database that was there before, as a restored one is, gets no job of ours, even if it has none.
    is_new = revisions(settings)[0] is None
    settings = _start(settings, listener, workers, supervisor)
    _announce(settings)
    if is_new and settings.demo and settings.auth == "off":
        _queue_first_job(listener)
    click.echo(listener.url)
    supervisor.keep(partial(_declare_dead, settings))


def _declare_dead(settings: Settings, worker: str) -> None:
    try:
        declare_dead(settings, worker)
    except Exception as error:  # noqa: BLE001 - whatever keeps the row from being written, its lease ends anyway
        with suppress(OSError):  # stderr may be a file on a disk that is full
            click.echo(f"{worker} could not be declared dead: {error}", err=True)


def _announce(settings: Settings) -> None:
    model = settings.model
    if settings.demo:
        model += ": the offline demo model (set OPENAI_BASE_URL or OPENAI_API_KEY to use a real one)"
    click.echo(f"Penstock is running.\n  model  {model}\n  data   {settings.data}", err=True)
    click.echo(f"  logs   {settings.data / 'logs'}\n  stop   Ctrl-C", err=True)


def _queue_first_job(listener: Listener) -> None:
    """A report, so that the page of a new user opens on text being written."""
    # Not the locale module: it falls back to C when the locale that is asked for is not installed.
    languages = map(child_environment().get, ("LC_ALL", "LC_MESSAGES", "LANG"))
    chinese = next(filter(None, languages), "").startswith("zh")
    variables = {"topic": "人工智能" if chinese else "artificial intelligence", "words": "900"}
    request = {"prompt": {"id": "report", "variables": variables}, "background": True}
    status, response = _ask(listener, "/v1/responses", request)
    if status == 200:
        click.echo(f"  now being written: {listener.url}/jobs/{response['id']}", err=True)


def _start(settings: Settings, listener: Listener, workers: int, supervisor: Supervisor) -> Settings:
    """Start it all and wait until it answers. Returns the settings that the children have.

    Raises ChildFailed, CommandError or BadSetting.
    """
    make_directory(settings.data / "logs")
    if settings.demo:
        settings = _start_demo_model(settings, supervisor)
    else:
        settings = settings.model_copy(update={"model": resolve_model(settings)})
    if "redis_url" not in settings.model_fields_set:
        settings = _start_redis(settings, supervisor)
    elif not answers(settings.redis_url, settings.redis_ca):
        place = RedisUrl.parse(settings.redis_url).place
        raise CommandError(f"no Redis answers at {place}: start it, or unset PENSTOCK_REDIS_URL", UNREACHABLE)
    upgrade(settings)
    _start_workers_and_web(settings, listener, workers, supervisor)
    return settings


def _ask(listener: Listener, path: str, body: object = None) -> tuple[int, Any]:
    """GET `path`, or POST `body` to it: the status and the JSON, or (0, None) when no whole answer came."""
    method = "GET" if body is None else "POST"
    try:
        answer = httpx2.request(method, f"{listener.url}{path}", json=body, trust_env=False, timeout=5)
        return answer.status_code, answer.json()
    except (httpx2.HTTPError, ValueError):
        return 0, None


def _start_demo_model(settings: Settings, supervisor: Supervisor) -> Settings:
    listener = supervisor.enter_context(listen("127.0.0.1", 0))
    server = {"openai_base_url": f"{listener.url}/v1", "openai_api_key": "demo"}
    settings = settings.model_copy(update={**server, "model": "demo", "models": ()})
    child = _child(settings, "demo", [*DEMO_MODEL, "--fd", str(listener.fd)], fds=(listener.fd,))
    supervisor.start(child)
    supervisor.wait_until(lambda: _ask(listener, "/healthz")[0] == 200, child)
    return settings


def _start_redis(settings: Settings, supervisor: Supervisor) -> Settings:
    directory = settings.data / "redis"
    make_directory(directory)
    server = RedisServer(directory)
    supervisor.callback(server.close)
    if server.program == FAKE:
        click.echo(_WEAK_REDIS, err=True)
    settings = settings.model_copy(update={"redis_url": server.url})
    # The database is the truth of a job: a Redis that starts empty loses no accepted job, no finished text.
    remedy = f"; if Redis cannot read its data, move {directory} away: no job is lost"
    child = _child(settings, "redis", server.argv, fds=server.fds, grace=10, remedy=remedy)
    supervisor.start(child)
    supervisor.wait_until(lambda: answers(server.url), child)
    return settings


def _start_workers_and_web(settings: Settings, listener: Listener, count: int, supervisor: Supervisor) -> None:
    grace = settings.drain_seconds + 10
    workers = [_worker(settings, f"up-{number}", grace) for number in range(1, count + 1)]
    # Viewers hold their connections open, and here no other web process takes them over: do not wait for them.
    web = _child(settings, "web", [*WEB, f"fd://{listener.fd}", "--graceful-timeout", "2"], fds=(listener.fd,))
    supervisor.start(*workers)
    supervisor.start(web)
    # Two steps, so that whoever is late is the one whose log is shown.
    supervisor.wait_until(lambda: _ask(listener, "/readyz")[0] > 0, web)
    supervisor.wait_until(lambda: _ask(listener, "/readyz")[0] == 200, workers[0])


def _worker(settings: Settings, name: str, grace: float) -> Child:
    watchdog = Watchdog(
        settings.data / "logs" / f"{name}.heartbeat", max(settings.lease_seconds, _LEAST_FROZEN_SECONDS)
    )
    child = _child(settings, name, [*WORKER], grace=grace, watchdog=watchdog)
    child.environment["PENSTOCK_HEARTBEAT_FILE"] = str(watchdog.file)
    return child


def _child(settings: Settings, name: str, argv: list[str], **options: Any) -> Child:
    # What makes it load the same settings as ours; the rest it reads where we read it.
    environment = {
        "PENSTOCK_DATA": str(settings.data),
        "PENSTOCK_REDIS_URL": settings.redis_url,
        "PENSTOCK_REDIS_PASSWORD": "",  # the URL has it
        "PENSTOCK_MODEL": settings.model,
        "PENSTOCK_MODELS": ",".join(settings.models),
        "PENSTOCK_DEMO": str(settings.demo),
        "OPENAI_BASE_URL": settings.openai_base_url,
        "OPENAI_API_KEY": settings.openai_api_key,
    }
    log = settings.data / "logs" / f"{name}.log"
    return Child(name, argv, environment, log, log_bytes=settings.log_bytes, **options)
