"""`penstock rewrite`: a report's section written again, and its versions compared and chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from cli.client.jobs import follows, print_new
from cli.client.output import as_json, one_line, print_json, print_text
from cli.client.server import Server, asks_server
from cli.client.watch import View, job_id, notifies, timeout
from cli.exit_codes import CommandError
from jobs.protocol.word_differences import Change, word_differences

_MARKS = {Change.REMOVED: "[-{}-]", Change.ADDED: "{{+{}+}}", Change.SAME: "{}"}


@click.command()
@job_id
@click.argument("section", type=click.IntRange(1))
@click.argument("wish", required=False)
@click.option("--list", "lists", is_flag=True, help="List its versions.")
@click.option("--compare", metavar="VERSION", help="Show what differs from this version: [-its words-] {+the job's+}.")
@click.option("--choose", metavar="VERSION", help="Take this version: print the job that has it.")
@follows
@as_json
@timeout
@notifies
@asks_server
def rewrite(
    server: Server,
    *,
    job_id: str,
    section: int,
    wish: str | None,
    lists: bool,
    compare: str | None,
    choose: str | None,
    **view: Any,
) -> None:
    """Have SECTION of a report written again by a WISH ("shorter"), and print the id of the new job.

    The new job keeps all other sections as they are, and only this one is paid for. One that was not finished needs no
    wish. A version is called by the id of its job. ID may be the start of one, or `last`.
    """
    if sum(map(bool, (wish, lists, compare, choose))) > 1:
        raise CommandError("give one of: a wish in words, --list, --compare VERSION, --choose VERSION")
    path = f"/responses/{server.full_id(job_id)}/sections/{section}"
    shown = View(**view)
    if choose:
        print_new(server, server.make(f"{path}/choose", response_id=server.full_id(choose)), shown)
    elif compare:
        print_text("".join(_compared(list(server.rows(f"{path}/versions", 100)), server.full_id(compare))))
    elif lists:
        for version in server.rows(f"{path}/versions", 100):
            print_json(version) if shown.as_json else click.echo(_line(version))
    else:
        print_new(server, server.make(f"{path}/versions", wish=wish or ""), shown)


def _line(version: Mapping[str, Any]) -> str:
    mark = "*" if version["chosen"] else " "
    return f"{mark} {version['id']}  {version['words']} words  {one_line(version['wish'])}".rstrip()


def _compared(versions: Sequence[Mapping[str, Any]], other: str) -> Iterator[str]:
    """The job's own version, with what it does not share with the other. Raises CommandError without that one."""
    texts = {version["id"]: version["text"] for version in versions}
    if other not in texts:
        raise CommandError(f"there is no version {other}: see --list")
    own = next((version["text"] for version in versions if version["chosen"]), "")
    for change, text in word_differences(texts[other], own):
        yield _MARKS[change].format(text)
