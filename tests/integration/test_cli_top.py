"""`penstock top`: the system at a terminal, and printed once where there is none."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from rich.console import Console

from cli.client.top import screen
from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.terminal import Terminal
from tests.support.up import ask
from tests.support.wire import create


@contextmanager
def terminal(url: str) -> Iterator[Terminal]:
    shown = Terminal(url, "top", "--every", "0.2", whole=True)
    try:
        yield shown
    finally:
        shown.close()


def test_a_screen_is_drawn_until_a_key_ends_it(penstock: Stack) -> None:
    job = create(penstock.url, input="on the screen [[demo rate=20 tokens=5000]]")["id"]
    with terminal(penstock.url) as shown:
        shown.read("QUEUE")
        shown.read(rf"on the screen.*{job[:13]}")
        shown.read(r"WORKER[^q]*alive")
        ask(penstock.url, "cancel", job)
        shown.press("xq")
        assert shown.exit_code() == 0


def test_a_lost_server_leaves_the_last_figures_and_is_asked_again(penstock: Stack) -> None:
    host, port = urlsplit(penstock.url).netloc.split(":")
    with Proxy((host, int(port))) as proxy, terminal(f"http://{proxy.address}") as shown:
        shown.read("QUEUE")
        proxy.target = None
        proxy.cut()
        shown.read("asked again every 0.2 s")
        shown.shown = ""
        proxy.target = (host, int(port))
        shown.read(r"\d\d:\d\d:\d\d\S*\s+[\d,]+ waiting")  # nothing between
        shown.process.send_signal(signal.SIGINT)
        assert shown.exit_code() == 0


def test_without_a_terminal_it_is_printed_once(penstock: Stack) -> None:
    text = ask(penstock.url, "top")
    assert (text.exit_code, text.stdout.count("QUEUE")) == (0, 1)
    document = json.loads(ask(penstock.url, "top", "--json").stdout)
    assert [queue["name"] for queue in document["queues"]] == ["default", "flex"]
    assert [part["name"] for part in document["health"]] == ["database", "redis", "model server"]


def test_80_columns_are_enough_and_what_others_wrote_drives_no_terminal() -> None:
    queue = {"name": "default", "waiting": 1234, "oldest_wait_seconds": 7300, "running": 100, "paused": True}
    worker = {"name": "w" * 90, "started_at": 0, "silent_seconds": 50, "frozen": True, "running": 3, "own_jobs": []}
    job = {"id": "resp_0123456789abcdef", "title": "[bold]\x1b[2J" + "标题" * 60, "model": "demo", "seconds": 61}
    system = {
        "created_at": 1e9,
        "open_streams": 3,
        "tokens_per_second": 1234.5,
        "status_details": {"code": "worker_frozen", "silent_seconds": 50},
        "queues": [queue],
        "workers": [worker],
        "jobs": [{**job, "done": 1, "total": 12, "words": 12345}],
        "last_hour": dict.fromkeys(("accepted", "completed", "failed", "other", "tokens"), 1_000_000),
        "failures": [{"code": "key_refused", "server": "s" * 90, "jobs": 2}],
        "health": [{"name": "redis", "seconds": None, "problem": None}],
    }
    console = Console(width=80, color_system=None)
    with console.capture() as captured:
        console.print(screen(system, "http://127.0.0.1:8000", "no server answers"))
    lines = captured.get().splitlines()
    (of_job,) = [line for line in lines if "12,345" in line]
    assert of_job.startswith("[bold][2J标题")
    assert of_job.rstrip().endswith("resp_01234567")
    assert "No worker has given a sign of life for 50 s" in captured.get()
    assert "\x1b" not in captured.get()
    assert "give it another, start the workers again, then retry" in " ".join(captured.get().split())
    assert sum("…" in line for line in lines) == 2
