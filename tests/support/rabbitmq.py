"""A private RabbitMQ in a directory of its own, with the machine's own program."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.redis_group import free_port
from tests.support.stack import wait_for
from tests.support.up import clean_environment

# Debian's own; the one on its PATH changes the user and wants the system's directories.
PROGRAM = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_SECONDS = 90


class RabbitMQ:
    """One running broker."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self._directory = directory
        self._names_port = free_port()
        port = free_port()
        self.url = f"amqp://guest:guest@127.0.0.1:{port}"
        variables = {
            "HOME": directory,
            "RABBITMQ_NODENAME": "penstock@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": port,
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_MNESIA_BASE": directory / "mnesia",
            "RABBITMQ_LOG_BASE": directory,
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": directory / "rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": directory / "plugins",
            "RABBITMQ_PID_FILE": directory / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": self._names_port,
        }
        environment = clean_environment(**{name: str(value) for name, value in variables.items()})
        with (directory / "log").open("wb") as log:
            self._process = subprocess.Popen([PROGRAM], env=environment, stdout=log, stderr=log, start_new_session=True)
        wait_for(lambda: b"Server startup complete" in (directory / "log").read_bytes(), _START_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server: not to the shell that started it."""
        os.kill(int((self._directory / "pid").read_text()), number)

    def kill(self) -> None:
        """End it at once, with the server of names that it has started. Once more is no error."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for process in psutil.process_iter(["name"]):
            with suppress(psutil.Error):
                if process.info["name"] == "epmd" and process.environ().get("ERL_EPMD_PORT") == str(self._names_port):
                    process.kill()


@contextmanager
def running_rabbitmq(directory: Path) -> Iterator[RabbitMQ]:
    """A running broker, ended with everything that belongs to it."""
    server = RabbitMQ(directory)
    try:
        yield server
    finally:
        server.kill()
