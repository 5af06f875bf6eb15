"""`penstock watch` in a terminal: a status until there is text, and nothing left of it."""

from __future__ import annotations

import os
import pty
import re
import signal
from contextlib import suppress

from tests.support.one_job_server import JOB, TEXT, Wire, on_terminal, process


def test_a_terminal_shows_the_status_until_there_is_text(wire: Wire, url: str) -> None:
    output, shown = on_terminal(wire, url)
    assert output.decode() == TEXT
    assert "queued" in shown
    assert "connection lost; trying again\r\n" in shown
    assert shown.rindex("\x1b[2K") > shown.rindex("queued")  # erased
    assert "\x1b[32m" in shown
    assert "\x1b[?25h" in shown[shown.rindex("\x1b[?25l") :]  # the cursor is back


def test_the_status_is_gone_before_the_first_character(wire: Wire, url: str) -> None:
    _, shown = on_terminal(wire, url, whole=True)
    before, text = shown.split(TEXT[0])
    assert "queued" in before
    assert f"{TEXT[0]}{text}" == f"{TEXT}\n".replace("\n", "\r\n")


def test_no_color_is_respected(wire: Wire, url: str) -> None:
    _, shown = on_terminal(wire, url, NO_COLOR="1")
    assert "queued" in shown
    assert not re.search(r"\x1b\[[\d;]*m", shown)


def test_json_and_pipes_show_no_status(wire: Wire, url: str) -> None:
    wire.released.set()
    _, shown = on_terminal(wire, url, "--json")
    assert shown == "connection lost; trying again\r\n"
    with process("watch", JOB, "--url", url, FORCE_COLOR="1", TTY_COMPATIBLE="1") as watch:
        assert watch.communicate(timeout=30) == (TEXT.encode(), b"")


def test_ctrl_c_leaves_a_terminal_as_it_was(wire: Wire, url: str) -> None:
    wire.frames, wire.holds = wire.frames[:1], True
    master, terminal = pty.openpty()
    with process("watch", JOB, "--url", url, stderr=terminal, TERM="xterm") as watch:
        os.close(terminal)
        shown = b""
        while b"queued" not in shown:
            shown += os.read(master, 65536)
        watch.send_signal(signal.SIGINT)
        with suppress(OSError):
            while piece := os.read(master, 65536):
                shown += piece
        assert watch.wait(10) == 130, shown.decode()
    os.close(master)
    assert f"penstock watch {JOB}  |  penstock cancel {JOB}".encode() in shown
    assert shown.rindex(b"\x1b[2K") > shown.rindex(b"queued")
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l")
