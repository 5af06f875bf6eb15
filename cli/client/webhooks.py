"""`penstock webhooks`: addresses that are told when jobs end."""

from __future__ import annotations

from typing import Any

import click

from cli.client.output import as_json, one_line, print_json
from cli.client.server import Server, asks_server, wire
from jobs.webhooks.events import EVENT_TYPES

at_once = click.option("--at-once", is_flag=True, help="End the old secret now; else it signs, too, for 24 hours.")


@click.group()
def webhooks() -> None:
    """Have an address told when jobs in the background end (docs/webhooks.md)."""


@webhooks.command()
@click.argument("address")
@click.option("--name", help="What you call it; by default its address.")
@click.option("--event", "events", type=click.Choice(EVENT_TYPES), multiple=True, help="Only these; by default all.")
@as_json
@asks_server
def add(server: Server, *, address: str, name: str | None, events: tuple[Any, ...], as_json: bool) -> None:
    """Tell ADDRESS of ends, and print the secret that signs what is sent there. It is shown this once."""
    made = server.openai.webhooks.create(
        name=name or address[:255], url=address, event_types=list(events or EVENT_TYPES)
    )
    click.echo(f"{made.id} is told of {', '.join(made.event_types)}", err=True)
    print_json(wire(made)) if as_json else click.echo(made.signing_secret)


@webhooks.command("list")
@as_json
@asks_server
def list_endpoints(server: Server, *, as_json: bool) -> None:
    """List the endpoints."""
    for endpoint in server.rows("/webhook_endpoints", 100):
        events = ",".join(endpoint["event_types"])
        line = f"{endpoint['id']}  {endpoint['url']}  {events}  {one_line(endpoint['name'])}"
        print_json(endpoint) if as_json else click.echo(line)


@webhooks.command()
@click.argument("endpoint_id", metavar="ID")
@asks_server
def delete(server: Server, endpoint_id: str) -> None:
    """Delete an endpoint; what it was still to be told is not sent."""
    server.openai.webhooks.delete(endpoint_id)
    click.echo(f"{endpoint_id} is deleted", err=True)


@webhooks.command()
@click.argument("endpoint_id", metavar="ID")
@at_once
@asks_server
def rotate(server: Server, endpoint_id: str, at_once: bool) -> None:
    """Print a new secret for an endpoint."""
    rotated = server.openai.webhooks.rotate_secret(endpoint_id, keep_old_secret_active_for_24_hours=not at_once)
    click.echo(rotated.signing_secret)


@webhooks.command()
@at_once
@asks_server
def secret(server: Server, at_once: bool) -> None:
    """Print a new secret for the addresses that jobs name themselves."""
    click.echo(server.post("/webhook_secret", keep_old_secret_active_for_24_hours=not at_once)["signing_secret"])


@webhooks.command()
@click.argument("endpoint_id", metavar="ID")
@click.option("--event", type=click.Choice(EVENT_TYPES), default=EVENT_TYPES[0], show_default=True, help="Which.")
@asks_server
def test(server: Server, endpoint_id: str, event: Any) -> None:
    """Send an endpoint a sample, and print the status that it answers."""
    click.echo(server.openai.webhooks.test(endpoint_id, event_type=event).status_code)


@webhooks.command()
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many at most.")
@as_json
@asks_server
def deliveries(server: Server, *, limit: int, as_json: bool) -> None:
    """List what was sent, and what is still to be sent, the newest first."""
    for delivery in server.rows("/webhook_deliveries", limit):
        answer = delivery["status_code"] or delivery["problem"] or "-"
        words = (delivery["id"], f"{delivery['status']:9}", answer, delivery["event_type"], delivery["data"]["id"])
        print_json(delivery) if as_json else click.echo("  ".join(map(str, words)))


@webhooks.command()
@click.argument("delivery_id", metavar="ID")
@asks_server
def resend(server: Server, delivery_id: str) -> None:
    """Send a delivery again that is over, under the same id."""
    click.echo(f"{server.post(f'/webhook_deliveries/{delivery_id}/resend')['id']} is sent again", err=True)
