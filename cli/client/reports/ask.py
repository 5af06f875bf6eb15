"""`penstock ask`: go on from a text that has ended, turn by turn."""

from __future__ import annotations

from typing import Any

import click

from cli.client.jobs import follows, print_new
from cli.client.output import as_json, one_line, print_json
from cli.client.server import Server, asks_server
from cli.client.watch import View, job_id, notifies, timeout
from cli.exit_codes import CommandError

_MOST_TURNS = 100


@click.command()
@job_id
@click.argument("question", required=False)
@click.option("--list", "lists", is_flag=True, help="List the turns before and after it, the oldest first.")
@follows
@as_json
@timeout
@notifies
@asks_server
def ask(server: Server, *, job_id: str, question: str | None, lists: bool, **view: Any) -> None:
    """Ask about the text of a job that has ended, or say how it shall be changed, and print the id of the new job.

    The same model answers, and is told all turns before. ID may be the start of one, or `last`.
    """
    if bool(question) == lists:
        raise CommandError("give a question, or --list")
    path = f"/responses/{server.full_id(job_id)}/thread"
    shown = View(**view)
    if question:
        print_new(server, server.make(path, question=question), shown)
        return
    for turn in server.rows(path, _MOST_TURNS):
        print_json(turn) if shown.as_json else click.echo(
            f"{turn['id']}  {turn['status']}  {one_line(turn['question'])}"
        )
