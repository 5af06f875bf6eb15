"""The data directory and the listening sockets: one line for each thing that can be wrong with them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.exit_codes import CommandError
from cli.launch.data_directory import hold, load_settings, make_private
from cli.launch.listening import listen
from cli.main import main

ROOT = Path(__file__).resolve().parents[4]


def test_a_held_data_directory_is_refused_to_a_second(tmp_path: Path) -> None:
    path = tmp_path / "data"
    with hold(path):
        assert path.stat().st_mode & 0o777 == 0o700
        with (
            pytest.raises(CommandError, match=f"data directory already in use by pid {os.getpid()}: {path}"),
            hold(path),
        ):
            pass
    with hold(path):
        pass  # free again


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot create .*file/data: .*; choose another with --data"):
        hold(tmp_path / "file" / "data")


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "up.lock").mkdir()
    with pytest.raises(CommandError, match="cannot write to .*: .*; choose another with --data"):
        hold(tmp_path)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """The umask of most systems, which lets everybody read; restored in the end."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("content", [None, "penstock.db", "secret"])
def test_a_directory_that_others_could_read_is_closed(tmp_path: Path, open_umask: None, content: str | None) -> None:
    path = tmp_path / "data"
    path.mkdir()
    if content:
        (path / content).touch()
    assert path.stat().st_mode & 0o777 == 0o755
    make_private(path)
    assert path.stat().st_mode & 0o777 == 0o700
    (path / "new").touch()
    assert (path / "new").stat().st_mode & 0o777 == 0o600


def test_a_directory_with_other_files_is_not_closed_but_refused(tmp_path: Path, open_umask: None) -> None:
    path = tmp_path / "home"
    path.mkdir()
    (path / "letter.txt").touch()
    with pytest.raises(CommandError, match=f"others can look into {path}, .*: run `chmod 700 {path}`, or choose"):
        make_private(path)
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("command", ["up", "web"])
@pytest.mark.parametrize("port", ["70000", "-1", "65536"])
def test_a_port_that_does_not_exist_is_refused(command: str, port: str) -> None:
    result = CliRunner().invoke(main, [command, "--port", port])
    assert result.exit_code == 2
    assert f"{port} is not in the range 0<=x<=65535" in result.stderr


def test_where_the_data_directory_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PENSTOCK_DATA", raising=False)
    assert load_settings().data == ROOT / ".penstock"
    monkeypatch.setenv("PENSTOCK_DATA", "from-environment")
    assert load_settings().data == tmp_path / "from-environment"
    assert load_settings(Path("given")).data == tmp_path / "given"
    assert load_settings(Path("/absolute")).data == Path("/absolute")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_0_takes_one_that_is_free_and_a_taken_one_is_said(host: str) -> None:
    with listen(host, 0) as listener:
        assert listener.url == f"http://{host}:{listener.port}"
        with socket.create_connection((host, listener.port)):
            pass
        with pytest.raises(CommandError, match=f"port {listener.port} is in use: choose another with --port"):
            listen("127.0.0.1", listener.port)


def test_all_addresses_are_visited_on_loopback() -> None:
    with listen("0.0.0.0", 0) as listener:
        assert listener.url == f"http://127.0.0.1:{listener.port}"


def test_a_host_that_is_not_ours_is_said() -> None:
    with pytest.raises(CommandError, match=r"cannot listen on 192.0.2.1:0: "):
        listen("192.0.2.1", 0)
    with pytest.raises(CommandError, match=r"cannot listen on no-such-host.invalid:0: "):
        listen("no-such-host.invalid", 0)
