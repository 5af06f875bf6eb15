"""`penstock share`: links by which anybody may read a job's text."""

from __future__ import annotations

import time

import click

from cli.client.output import as_json, print_json
from cli.client.server import Server, asks_server
from cli.exit_codes import CommandError

_MOST_LISTED = 1000


@click.command()
@click.argument("job_id", metavar="[ID]", required=False)
@click.option("--days", type=click.FloatRange(0, 365, min_open=True), default=7, show_default=True, help="It is good.")
@click.option("--list", "lists", is_flag=True, help="List the links that are good, of this job or of all.")
@click.option("--revoke", metavar="SHARE_ID", help="Take a link back; --list tells its id.")
@as_json
@asks_server
def share(server: Server, *, job_id: str | None, days: float, lists: bool, revoke: str | None, as_json: bool) -> None:
    """Print a new link to a job's text, live and as files, for anybody who has it. It is shown this once.

    ID may be the start of one, or `last`. Nothing but the text is shown: no request, no name, no other job.
    """
    if sum((bool(job_id) and not lists, lists, revoke is not None)) != 1:
        raise CommandError("name a job, or give --list, or --revoke SHARE_ID")
    if revoke is not None:
        answer = server.revoke(revoke)
        click.echo(f"{revoke} is taken back", err=True)
        if as_json:
            print_json(answer)
    elif lists:
        path = f"/responses/{server.full_id(job_id)}/shares" if job_id else "/shares"
        for each in server.rows(path, _MOST_LISTED):
            print_json(each) if as_json else click.echo(_line(each["id"], each["response_id"], each["expires_at"]))
    else:
        made = server.post(f"/responses/{server.full_id(job_id or '')}/shares", days=days)
        click.echo(f"{made['id']} is good until {_moment(made['expires_at'])}", err=True)
        print_json(made) if as_json else click.echo(made["url"])


def _line(share_id: str, job_id: str, expires_at: float) -> str:
    return f"{share_id}  {job_id}  until {_moment(expires_at)}"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
