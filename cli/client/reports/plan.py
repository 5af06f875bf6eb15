"""`penstock plan`: a report's plan, to read, to change and to agree on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import click
import openai

from cli.client.output import as_json, print_json
from cli.client.server import Job, Server, asks_server
from cli.client.watch import job_id
from cli.exit_codes import CommandError
from jobs.job import Status

_POLL_SECONDS = 0.5
_SECTION = "## "
_TITLE = "# "
_SOURCES = " [sources: "
_HELP = """\
<!-- The plan of a report. `# ` is its title, `## ` a section's, and what stands below says what it covers.
Move, rename, add or remove sections; save, and the report is written by this plan. Without a change nothing is. -->

"""


@click.command()
@job_id
@click.option("--edit", is_flag=True, help="Change it in $EDITOR; what you save is written.")
@click.option("--write", "agrees", is_flag=True, help="Have it written as it is.")
@as_json
@asks_server
def plan(server: Server, job_id: str, *, edit: bool, agrees: bool, as_json: bool) -> None:
    """Print the plan of a report, as soon as it has one; with --edit or --write agree on it.

    ID may be the start of one, or `last`.
    """
    full_id = server.full_id(job_id)
    found = _awaited(server, full_id)
    if edit:
        text = click.edit(_HELP + "".join(_lines(found)), extension=".md")
        if text is None:
            raise CommandError("nothing was changed: the plan still waits (--write agrees on it as it is)")
        found = _read(text)
    if edit or agrees:
        job = server.agree(full_id, {name: found[name] for name in ("title", "sections")})
        click.echo(f"{job['id']} is written by this plan: penstock watch {job['id']}", err=True)
    if as_json:
        print_json(found)
    elif not (edit or agrees):
        click.echo("".join(_lines(found)), nl=False)
        if found["waiting"]:
            click.echo(f"it waits: penstock plan {full_id} --edit  |  penstock plan {full_id} --write", err=True)


def _awaited(server: Server, full_id: str) -> Job:
    """The plan of a job; one that is to be reviewed is waited for."""
    while True:
        try:
            return server.plan(full_id)
        except openai.BadRequestError:
            job = server.get(full_id)
            if not job["penstock"].get("review") or Status(job["status"]).is_terminal:
                raise
        time.sleep(_POLL_SECONDS)


def _lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """The plan as a person reads and changes it."""
    yield f"{_TITLE}{plan['title']}\n"
    for section in plan["sections"]:
        sources = f"{_SOURCES}{' '.join(map(str, section['sources']))}]" if section.get("sources") else ""
        yield f"\n{_SECTION}{section['title']}{sources}\n"
        if section.get("brief"):
            yield f"{section['brief']}\n"


def _read(text: str) -> dict[str, Any]:
    """The plan in a text of `_lines`, as it was changed. What stands before its title is no part of it.

    Raises CommandError when it is none.
    """
    title = ""
    sections: list[dict[str, Any]] = []
    for line in text.splitlines():
        if line.startswith(_SECTION):
            name, _mark, sources = line.removeprefix(_SECTION).partition(_SOURCES)
            sections.append({"title": name.strip(), "brief": "", "sources": sources.rstrip("] ").split()})
        elif line.startswith(_TITLE):
            title = line.removeprefix(_TITLE).strip()
        elif sections and line.strip():
            sections[-1]["brief"] = f"{sections[-1]['brief']} {line.strip()}".strip()
    if not title or not sections:
        raise CommandError("this is no plan: it needs a line with `# ` and the title, and one with `## ` a section")
    return {"title": title, "sections": sections}
