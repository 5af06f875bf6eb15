"""What is said of commands and addresses that are misspelt: one line that names the remedy, and exit code 2."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.support.up import command


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sumbit", "story"], "Error: No such command 'sumbit'. Did you mean 'submit'?"),
        (["up", "--prot", "9000"], "Error: No such option '--prot'. (Did you mean one of: '--host', '--port'?)"),
        (
            ["list", "--url", "localhost:8000"],
            "Error: 'localhost:8000' is no address of a server: it must be like http",
        ),
        (["list", "--url", "http://"], "Error: 'http://' is no address of a server: it must be like http"),
        (
            ["list", "--url", "http://a:99999"],
            "Error: 'http://a:99999' is no address of a server: it must be like http",
        ),
    ],
)
def test_a_slip_is_told_its_remedy(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert words in done.stderr


def test_a_command_that_is_like_none_is_refused() -> None:
    done = CliRunner().invoke(main, ["zzz"])
    assert done.exit_code == 2
    assert done.stderr.endswith("Error: No such command 'zzz'.\n")


def test_a_socket_that_was_not_handed_over_is_one_line() -> None:
    done = command("web", "--fd", "77")
    assert (done.returncode, done.stderr) == (2, "Error: --fd 77: no socket was handed over under that number\n")
