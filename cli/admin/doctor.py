"""`penstock doctor`: tries everything that Penstock needs, a line for each, and changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any

import click
import httpx2
import openai
import redis
from sqlalchemy.engine import make_url

from cli.exit_codes import DONE, FAILED
from cli.launch.data_directory import load_settings
from cli.launch.redis_server import answers
from jobs.dangerous_settings import refuse_dangerous
from jobs.model_server import offered_models, resolve_model
from jobs.secrets import Secrets
from jobs.settings import Settings, is_local
from jobs.status.details import StatusDetails
from jobs.storage.versions.check import version_fault
from jobs.storage.versions.migrate import revisions
from jobs.transport.redis_check import refuse_unfit_redis
from jobs.transport.redis_client import redis_client

OK, WARN, FAIL = "ok", "warn", "FAIL"
Findings = Iterator[tuple[str, str]]

_QUESTION = ({"role": "user", "content": "Say hello, in five words."},)
_TEXTS = ("content", "reasoning_content", "reasoning")


@click.command()
@click.option("--model", help="The model to try, when it is not to be the one that is set.")
@click.option("--url", envvar="PENSTOCK_URL", help="The server that should be running.")
def doctor(model: str | None, url: str | None) -> None:
    """Try everything that Penstock needs, and say what to do about what is wrong. Exit code 1 when anything FAILs."""
    marks = set()
    for mark, words in _examine(model, url):
        click.echo(f"{mark:<4}  {words}")
        marks.add(mark)
    raise click.exceptions.Exit(FAILED if FAIL in marks else DONE)


def _examine(model: str | None, url: str | None) -> Findings:
    try:
        settings = load_settings()
        refuse_dangerous(settings)
    except Exception as error:  # noqa: BLE001 - as below
        yield FAIL, f"settings: {error}"
        return
    yield OK, "settings: they make sense"
    settings = settings.model_copy(update={"model": model or settings.model})
    checks = {
        "data directory": (_data(settings), "name another with PENSTOCK_DATA"),
        "database": (_database(settings), ""),
        "Redis": (_redis(settings), "start it, or unset PENSTOCK_REDIS_URL"),
        "model": (_model(settings), "see OPENAI_BASE_URL, OPENAI_API_KEY and PENSTOCK_MODEL"),
        "server": (_server(url), "start one with `penstock up`, see its logs, or name another with --url"),
    }
    for name, (findings, remedy) in checks.items():
        try:
            for mark, words in findings:
                yield mark, f"{name}: {words}"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what it is here to tell
            problem = Secrets(settings).removed_from(str(error)) or type(error).__name__
            yield FAIL, f"{name}: {shorten(problem, 400)}{remedy and f'; {remedy}'}"


def _data(settings: Settings) -> Findings:
    _check_folder(settings.data)
    yield OK, str(settings.data)


def _check_folder(folder: Path) -> None:
    """Raise OSError when files cannot be made in a folder, or it cannot be made itself."""
    place = next(path for path in (folder, *folder.parents) if path.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"{place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(f"{place} cannot be written by this user: `chown` it to the one who runs Penstock")


def _database(settings: Settings) -> Findings:
    current, newest = revisions(settings)
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite":
        _check_folder(Path(url.database or "").absolute().parent)
    if fault := version_fault(current, newest, settings):
        yield FAIL, fault
    else:
        missing = "there is none yet; `penstock up` makes it"
        if url.get_backend_name() != "sqlite":
            missing = "it has no tables yet; `penstock db upgrade` makes them"
        yield OK, "it has the newest version" if current else missing


def _redis(settings: Settings) -> Findings:
    if "redis_url" not in settings.model_fields_set and not answers(settings.redis_url, settings.redis_ca):
        yield OK, "none is set; `penstock up` brings its own"
        return
    refuse_unfit_redis(settings)
    policy: str | None = "not to be found out"
    client = redis_client(settings.redis_url, settings.redis_ca, decode_responses=True, socket_timeout=5)
    with client, suppress(redis.ResponseError, KeyError):  # not every server lets everybody ask
        policy = client.config_get("maxmemory-policy")["maxmemory-policy"]
    if policy == "noeviction":
        yield OK, "it answers, and evicts nothing"
    else:
        yield WARN, f"its maxmemory-policy is {policy}: make it noeviction, or live text may be lost and written again"


def _model(settings: Settings) -> Findings:
    if not (settings.names_a_model_server or settings.servers):
        yield WARN, "none is set; `penstock up` brings the offline demo model"
        return
    name = resolve_model(settings)
    server = settings.server_of(name)
    models: Sequence[str] = server.models
    if name not in settings.listed:
        models = ["what it does not say"]
        with suppress(httpx2.HTTPStatusError, ValueError):
            models = offered_models(settings)
    yield (
        OK,
        f"{Secrets(settings).without_userinfo(server.url)} offers {shorten(', '.join(models), 200)}; {name} is chosen",
    )
    http = openai.DefaultHttpxClient(timeout=settings.first_token_seconds, trust_env=not is_local(server.url))
    with openai.OpenAI(base_url=server.url, api_key=server.key, max_retries=0, http_client=http) as client:
        yield from _answer(partial(client.chat.completions.create, model=name, messages=_QUESTION))


def _answer(ask: Callable[..., Any]) -> Findings:
    """Have the model say a few words, as a stream, and tell how they came."""
    began = time.monotonic()
    problem = "it does not count its tokens in a stream"
    try:
        stream = ask(stream=True, stream_options={"include_usage": True})
    except openai.BadRequestError as error:
        if "stream_options" not in str(error):
            raise
        problem = "it refuses stream_options"
        stream = ask(stream=True)
    chunks = [(time.monotonic() - began, chunk.to_dict(warnings=False)) for chunk in stream]
    if chunks:
        yield from _streamed(chunks)
        counted = any(chunk.get("usage") for _, chunk in chunks)
        yield (OK, "it counts its tokens") if counted else (WARN, f"{problem}: Penstock copes, but shows no usage")
    elif getattr(ask(), "choices", None):
        yield WARN, "it does not stream: Penstock copes, but all of the text comes at the end"
    else:
        raise ValueError("what answers there is no chat model")


def _streamed(chunks: Sequence[tuple[float, dict[str, Any]]]) -> Findings:
    """What the chunks of an answer show; each comes with its seconds from the start."""
    choices = [(at, choice) for at, chunk in chunks for choice in chunk.get("choices") or ()]
    deltas = [(at, name, text) for at, choice in choices for name in _TEXTS if (text := choice["delta"].get(name))]
    ends = [choice["finish_reason"] for _, choice in choices if choice.get("finish_reason")]
    if not (deltas and ends):
        raise ValueError("its answer has no text" if ends else "its answer breaks off, without a finish_reason")
    yield (
        (OK if len(deltas) > 1 else WARN),
        f"its first token took {deltas[0][0]:.2f} s, its answer {len(deltas)} chunks",
    )
    kinds = {name for _, name, _ in deltas} - {"content"}
    if "<think>" in "".join(text for _, name, text in deltas if name == "content"):
        kinds.add("<think> in the text")
    yield OK, f"its reasoning comes as {', '.join(sorted(kinds))}" if kinds else "it shows no reasoning"
    yield OK, f"its finish_reason is {ends[-1]}"


def _server(url: str | None) -> Findings:
    place = (url or "http://127.0.0.1:8000").rstrip("/")
    try:
        answer = httpx2.get(f"{place}/readyz", timeout=5, trust_env=not is_local(place))
    except httpx2.ConnectError:
        if url:
            raise
        yield WARN, f"none runs at {place}: start one with `penstock up`, or name another with --url"
        return
    except httpx2.TransportError as error:
        raise ValueError(_taken(place)) from error
    if answer.status_code not in (200, 503) or '"database"' not in answer.text:
        raise ValueError(_taken(place))
    if answer.status_code != 200:
        remedy = f" {StatusDetails('no_worker').sentence()}" if '"workers":0' in answer.text else ""
        raise ValueError(f"{place} is not ready, and says {answer.text}{remedy}")
    yield OK, f"{place} is ready"


def _taken(place: str) -> str:
    return f"another program answers at {place}, so that Penstock needs another --port"
