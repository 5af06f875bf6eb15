"""`penstock schedule`: requests that are made again and again."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from cli.client.jobs import named_values
from cli.client.output import as_json, one_line, print_json
from cli.client.server import Server, asks_server

schedule_id = click.argument("schedule_id", metavar="ID")


@click.group()
def schedule() -> None:
    """Have a request made again and again (docs/reports.md)."""


@schedule.command()
@click.argument("name")
@click.argument("cron")
@click.argument("prompt", required=False)
@click.argument("variables", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--input", "text", help="Text to send, where no prompt is named.")
@click.option("--timezone", default="UTC", show_default=True, help="The time zone of the expression.")
@as_json
@asks_server
def add(
    server: Server,
    *,
    name: str,
    cron: str,
    prompt: str | None,
    variables: tuple[str, ...],
    text: str | None,
    timezone: str,
    as_json: bool,
) -> None:
    """Make the schedule NAME, and print its id. CRON is minute, hour, day, month and weekday: '0 9 * * 1-5'."""
    request: dict[str, Any] = {"input": text} if text else {}
    if prompt:
        request["prompt"] = {"id": prompt, "variables": named_values(variables)}
    made = server.post("/schedules", name=name, cron=cron, timezone=timezone, request=request)
    for moment in made["next_runs"]:
        click.echo(_local(moment, timezone), err=True)
    print_json(made) if as_json else click.echo(made["id"])


@schedule.command("list")
@as_json
@asks_server
def list_schedules(server: Server, *, as_json: bool) -> None:
    """List the schedules, with the next time of each."""
    for one in server.rows("/schedules", 100):
        following = f"paused by {one['paused']}" if one["paused"] else _local(one["next_runs"][0], one["timezone"])
        line = f"{one['id']}  {one['cron']}  {one['timezone']}  {following}  {one_line(one['name'])}"
        print_json(one) if as_json else click.echo(line)


@schedule.command()
@schedule_id
@click.option("--resume", is_flag=True, help="Have it go on.")
@asks_server
def pause(server: Server, schedule_id: str, resume: bool) -> None:
    """Have a schedule make no more runs, or go on."""
    server.post(f"/schedules/{schedule_id}", paused=not resume)
    click.echo(f"{schedule_id} {'goes on' if resume else 'is paused'}", err=True)


@schedule.command()
@schedule_id
@asks_server
def run(server: Server, schedule_id: str) -> None:
    """Make a run now, and print its job's id."""
    click.echo(server.make(f"/schedules/{schedule_id}/run")["id"])


@schedule.command()
@schedule_id
@asks_server
def delete(server: Server, schedule_id: str) -> None:
    """Delete a schedule; the jobs of its runs stay."""
    server.delete_schedule(schedule_id)
    click.echo(f"{schedule_id} is deleted", err=True)


def _local(moment: int, timezone: str) -> str:
    return f"{datetime.fromtimestamp(moment, ZoneInfo(timezone)):%Y-%m-%d %H:%M %Z}"
