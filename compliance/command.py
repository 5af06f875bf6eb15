"""`penstock compliance`: runs the checks against a server, and prints a table."""

from __future__ import annotations

import inspect
import json
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial

import click

from compliance.checks import CHECKS
from compliance.open_responses import OPEN_RESPONSES
from compliance.server import Server, Violation

ALL_CHECKS = (*CHECKS, *OPEN_RESPONSES)
_OUT_OF_SCOPE = "WebSocket, /responses/compact, /responses/input_tokens, hosted tools"
_NAME_WIDTH = 2 + max(len(check.__name__) for check in ALL_CHECKS)


@dataclass(frozen=True)
class Result:
    """What became of a check: `problem` is empty when it holds."""

    name: str
    seconds: float
    problem: str


@click.command()
@click.option("--base-url", required=True, help="Where the API is, as clients are told it: http://host:8000/v1.")
@click.option("--api-key", envvar="OPENAI_API_KEY", default="any", help="The key.")
@click.option("--model", help="The model to ask; without it the server chooses.")
@click.option("--only", multiple=True, help="Only checks with this in their names.")
@click.option(
    "--seconds", default=120.0, show_default=True, type=click.FloatRange(min=1), help="How long a job may take."
)
@click.option("--at-once", default=4, show_default=True, type=click.IntRange(min=1), help="How many checks at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--list", "lists", is_flag=True, help="Print the checks, and what each says, and run none.")
def compliance(  # noqa: PLR0913  (each is an option)
    *,
    base_url: str,
    api_key: str,
    model: str | None,
    only: tuple[str, ...],
    seconds: float,
    at_once: int,
    as_json: bool,
    lists: bool,
) -> None:
    """Check whether a Responses server keeps what background mode promises.

    Each check makes short jobs at the server. The exit code is 1 when a check fails.
    """
    chosen = [check for check in ALL_CHECKS if not only or any(word in check.__name__ for word in only)]
    if not chosen:
        raise click.UsageError(
            f"no check is called like that; there are {', '.join(each.__name__ for each in ALL_CHECKS)}"
        )
    if lists:
        for check in chosen:
            click.echo(f"{check.__name__:{_NAME_WIDTH}}{inspect.getdoc(check)}")
        return
    with ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(partial(_result, Server(base_url, api_key, model, seconds)), chosen))
    click.echo(json.dumps([asdict(result) for result in results]) if as_json else _table(results))
    if any(result.problem for result in results):
        raise SystemExit(1)


def _result(server: Server, check: Callable[[Server], None]) -> Result:
    began = time.monotonic()
    problem = ""
    try:
        check(server)
    except Violation as violation:
        problem = str(violation)
    except (LookupError, TypeError, AttributeError, StopIteration, ValueError) as error:
        line = traceback.extract_tb(error.__traceback__)[-1].line
        problem = f"an answer lacks what the check reads: {type(error).__name__}: {error} at `{line}`"
    return Result(check.__name__, round(time.monotonic() - began, 2), problem)


def _table(results: list[Result]) -> str:
    lines = [
        f"{'FAILED' if each.problem else 'ok':7}{each.name:{_NAME_WIDTH}}{each.seconds:7.1f} s  {each.problem[:300]}"
        for each in results
    ]
    failed = sum(bool(result.problem) for result in results)
    counted = f"{len(results) - failed} of {len(results)} hold."
    return "\n".join([*map(str.rstrip, lines), "", f"{counted} Out of scope: {_OUT_OF_SCOPE}."])
