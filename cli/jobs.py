"""`penstock list`, `show` and `cancel`: the jobs of a server, and one of them."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from cli.exit_codes import USAGE, Stop
from cli.json_line import print_json
from cli.server import Job, Server, asks_server, wire
from jobs.fold import text_of

_STATUSES = ("queued", "in_progress", "completed", "failed", "cancelled", "incomplete")


@click.command("list")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 100), help="How many at most.")
@click.option("--status", type=click.Choice(_STATUSES), help="Only those.")
@click.option("--json", "as_json", is_flag=True, help="Print the jobs whole, one a line.")
@asks_server
def list_jobs(server: Server, *, limit: int, status: str | None, as_json: bool) -> None:
    """List the newest jobs, newest first."""
    for job in server.jobs(limit=limit, status=status):
        print_json(job) if as_json else click.echo(_line(job))


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--format", "form", type=click.Choice(["md", "json"]), default="md", help="The text, or the job whole.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead.")
@asks_server
def show(server: Server, *, job_id: str, form: str, output: Path | None) -> None:
    """Print what a job has written so far. ID may be the start of one, or `last`."""
    job = server.get(job_id)
    content = text_of(job) if form == "md" else json.dumps(job, ensure_ascii=False, indent=2) + "\n"
    if output is None:
        click.echo(content.encode(), nl=False)
    else:
        try:
            output.write_bytes(content.encode())
        except OSError as error:
            raise Stop(f"cannot write {output}: {error.strerror}", USAGE) from error
    if job["status"] != "completed":
        click.echo(f"this job is {job['status']}", err=True)


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the job.")
@asks_server
def cancel(server: Server, *, job_id: str, as_json: bool) -> None:
    """Cancel a job; what it has written is kept. ID may be the start of one, or `last`."""
    job = wire(server.openai.responses.cancel(server.full_id(job_id)))
    if as_json:
        print_json(job)
    click.echo(f"{job['id']} is {job['status']}", err=True)


def _line(job: Job) -> str:
    prompt = job.get("prompt") or {}
    asked = " ".join(f"{name}={value}" for name, value in (prompt.get("variables") or {}).items())
    created = datetime.fromtimestamp(job["created_at"]).astimezone()
    what = f"{prompt['id']} {asked}" if prompt else job["model"]
    return f"{job['id']}  {job['status']:<11}  {created:%Y-%m-%d %H:%M}  {what}"
