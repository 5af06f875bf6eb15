"""A server that has one job and may cut its connections, and the command line that asks it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

import cli.main
from jobs.protocol import events
from jobs.protocol.fold import fold
from tests.support.up import clean_environment

ROOT = Path(__file__).resolve().parents[2]
JOB = "resp_" + "0" * 39 + "1"
TEXT = "从前，有一条渠。\nOnce upon a time there was a penstock.\u2028 🌊 The end."
SNAPSHOT = {"id": JOB, "status": "queued", "output": [], "created_at": 1700000000, "model": "demo"}


def frames_of(text: str, status: str = "completed", error: dict[str, str] | None = None) -> list[bytes]:
    """The whole log of a job with one message, one frame a character."""
    queued = {"id": JOB, "object": "response", "status": "queued", "output": [], "penstock": {"attempt": 0}}
    item: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
    place = {"output_index": 0, "item_id": "msg_1", "content_index": 0}
    item |= {"status": "in_progress", "penstock": {"section": 0}}
    stream: list[tuple[str, dict[str, Any]]] = [
        (events.CREATED, {"response": queued}),
        (events.ITEM_ADDED, {"output_index": 0, "item": item}),
        (events.PART_ADDED, {**place, "part": {"type": "output_text", "text": "", "annotations": []}}),
        *((events.TEXT_DELTA, {**place, "delta": character, "logprobs": []}) for character in text),
        (events.ITEM_DONE, {"output_index": 0, "item": {**item, "status": "completed"}}),
    ]
    numbered = [{"type": kind, "sequence_number": number, **fields} for number, (kind, fields) in enumerate(stream)]
    kind = {"completed": events.COMPLETED, "failed": events.FAILED}.get(status, events.INCOMPLETE)
    ended = {"response": {**fold(numbered), "status": status, "error": error}}
    return [events.frame(kind, number, fields) for number, (kind, fields) in enumerate([*stream, (kind, ended)])]


@dataclass
class Wire:
    """A server that has one job. `cuts` are the bytes that it sends on each connection before it cuts it."""

    frames: list[bytes] = field(default_factory=lambda: frames_of(TEXT))
    snapshot: dict[str, Any] = field(default_factory=lambda: dict(SNAPSHOT))
    cuts: list[int] = field(default_factory=list)
    status: int = 200
    holds: bool = False
    cursors: list[int] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def stream(self, after: int) -> bytes:
        self.cursors.append(after)
        rest = b"".join(frame for frame in self.frames if events.number_of(frame) > after)
        return rest[: self.cuts.pop(0)] if self.cuts else rest


def penstock(*arguments: str) -> Result:
    """Run a command in this process; only what signals do needs one of its own."""
    return CliRunner().invoke(cli.main.main, arguments)


def process(
    *arguments: str, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE, **environment: str
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cli.main", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=clean_environment(**environment), stdout=stdout, stderr=stderr)


def on_terminal(wire: Wire, url: str, *arguments: str, whole: bool = False, **environment: str) -> tuple[bytes, str]:
    """What `watch` prints, and what a terminal gets of its stderr, or of the `whole`, while a job's text is late."""
    wire.cuts, wire.holds = [len(wire.frames[0])], True
    master, terminal = pty.openpty()
    shown, environment = b"", {"TERM": "xterm", **environment}
    stdout = terminal if whole else subprocess.PIPE
    with process("watch", JOB, "--url", url, *arguments, stdout=stdout, stderr=terminal, **environment) as watch:
        os.close(terminal)
        with suppress(OSError):  # the end, as Linux reports it
            while piece := os.read(master, 65536):
                shown += piece
                if b"queued" in shown or "--json" in arguments:
                    wire.released.set()
        output, _ = watch.communicate(timeout=30)
    os.close(master)
    assert watch.returncode == 0
    return output, shown.decode()
