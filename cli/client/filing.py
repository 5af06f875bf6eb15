"""`penstock rename`, `star` and `label`: how jobs are filed, which is kept in their metadata."""

from __future__ import annotations

import click

from cli.client.output import as_json, print_json
from cli.client.server import Server, asks_server
from cli.client.watch import job_id
from cli.exit_codes import CommandError
from jobs.filing import MAX_TITLE, Filing, filed, filing_of, joined, labels_in

removes = click.option("--remove", is_flag=True, help="Take it away.")


@click.command()
@job_id
@click.argument("title")
@as_json
@asks_server
def rename(server: Server, job_id: str, title: str, as_json: bool) -> None:
    """Give a job a title of your own; an empty one takes it back. ID may be the start of one, or `last`."""
    if len(title) > MAX_TITLE:
        raise CommandError(f"a title has at most {MAX_TITLE} characters, this one {len(title)}")
    _file(server, job_id, as_json=as_json, title=title)


@click.command()
@job_id
@removes
@as_json
@asks_server
def star(server: Server, job_id: str, remove: bool, as_json: bool) -> None:
    """Give a job a star, by which `list --starred` finds it. ID may be the start of one, or `last`."""
    _file(server, job_id, as_json=as_json, starred=not remove)


@click.command()
@job_id
@click.argument("labels", nargs=-1, required=True)
@removes
@as_json
@asks_server
def label(server: Server, job_id: str, labels: tuple[str, ...], remove: bool, as_json: bool) -> None:
    """Add labels to a job, by which `list --label` finds it. ID may be the start of one, or `last`."""
    job = server.get(job_id)
    before = filing_of(job["metadata"]).labels
    named = labels_in(joined(labels))
    after = [one for one in before if one not in named] if remove else dict.fromkeys([*before, *named])
    _file(server, job["id"], as_json=as_json, labels=tuple(after))


def _file(server: Server, name: str, *, as_json: bool, **changes: object) -> None:
    job = server.get(name)
    filing = Filing(**{**filing_of(job["metadata"])._asdict(), **changes})
    job = server.post(f"/responses/{job['id']}", metadata=filed(job["metadata"], filing))
    if as_json:
        print_json(job)
    said = [filing.title or "no title of its own", *["a star"] * filing.starred, *filing.labels]
    click.echo(f"{job['id']} has {', '.join(said)}", err=True)
