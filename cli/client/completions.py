"""What a shell offers in place of an argument: the newest jobs, prompts, and the variables of a prompt."""

from __future__ import annotations

import click
import httpx2
from click.shell_completion import CompletionItem

from cli.client.server import DEFAULT_URL
from cli.launch.data_directory import load_settings
from jobs.errors import PenstockError
from jobs.requests.prompt_folder import Prompts
from jobs.requests.prompts import Prompt
from jobs.settings import is_local

_MOST = 30
_SECONDS = 2.0


def job_ids(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """`last`, and the newest jobs of the server with what they are about; none when it does not answer."""
    url = str(ctx.params.get("url") or DEFAULT_URL).rstrip("/")
    headers = {"Authorization": f"Bearer {ctx.params.get('api_key') or 'any'}"}
    jobs: list[dict[str, str]] = []
    try:
        answer = httpx2.get(
            f"{url}/v1/responses",
            params={"limit": _MOST},
            headers=headers,
            timeout=_SECONDS,
            trust_env=not is_local(url),
        )
        jobs = answer.json()["data"]
    except (httpx2.HTTPError, ValueError, KeyError):
        pass
    offered = [CompletionItem("last"), *(CompletionItem(job["id"], help=job["status"]) for job in jobs)]
    return [item for item in offered if item.value.startswith(begun)]


def prompt_ids(_ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """The prompts of this machine."""
    return [
        CompletionItem(prompt.id, help=next(iter(prompt.title.values()), ""))
        for prompt in _prompts()
        if prompt.id.startswith(begun)
    ]


def variables(ctx: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """`topic=` and the like, of the prompt that is named before."""
    named = (prompt for prompt in _prompts() if prompt.id == ctx.params.get("prompt"))
    names = (f"{name}=" for prompt in named for name in prompt.inputs["properties"])
    return [CompletionItem(name) for name in names if name.startswith(begun)]


def _prompts() -> list[Prompt]:
    try:
        return list(Prompts(load_settings().prompts))
    except PenstockError:
        return []
