"""The units of ops/systemd without systemd: what a unit says, and its command as a process of this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

from tests.support.process import Process
from tests.support.up import clean_environment


def unit_values(folder: Path, name: str) -> dict[str, list[str]]:
    """What a unit says under each name: its file, then what all have in common, which systemd reads after it."""
    prefix, at, instance = name.removesuffix(".service").partition("@")
    texts = [(folder / f"{prefix}{at}.service"), *sorted((folder / "penstock-.service.d").glob("*.conf"))]
    values = defaultdict(list)
    for line in "\n".join(path.read_text() for path in texts).splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values[key].append(value.replace("%i", instance).replace("%N", f"{prefix}{at}{instance}"))
    return values


class Units:
    """The services that `systemctl` would run, with units in `folder` and their own directories below `root`."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._folder, self._root = folder, root
        self.running: dict[str, Process] = {}
        self._started: set[str] = set()

    def start(self, name: str) -> None:
        """Start a unit and, before it, those of ours that it wants; one that ends by itself is run to its end."""
        values = unit_values(self._folder, name)
        self._started.add(name)
        for wanted in (unit.removesuffix(".service") for unit in values["Wants"] if unit.startswith("penstock-")):
            if wanted not in self._started:
                self.start(wanted)
        argv = ["env", "-C", values["WorkingDirectory"][-1], *values["ExecStart"][-1].split()]
        environment = self._environment(name, values)
        if values["Type"][-1] == "oneshot":
            done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=100, check=False)
            assert done.returncode == 0, done.stderr
        else:
            self.running[name] = Process(argv, self._root / f"{name}.log", environment)

    def restart(self, name: str) -> None:
        """End a unit in its order, and start it again."""
        if name in self.running:
            assert self.running[name].end() == 0, self.running[name].exit_reason
        self.start(name)

    def _environment(self, name: str, values: dict[str, list[str]]) -> dict[str, str]:
        credentials, runtime = self._root / "credentials" / name, self._root / "run"
        credentials.mkdir(parents=True, exist_ok=True)
        for credential in values["LoadCredential"]:
            key, _, file = credential.partition(":")
            shutil.copy(file, credentials / key)
        lines = [*values["Environment"]]
        for file in values["EnvironmentFile"]:  # after the others, as systemd reads them
            lines += [line for line in Path(file).read_text().splitlines() if line and not line.startswith("#")]
        given = dict(line.split("=", 1) for line in lines)
        places = {"%d": str(credentials), "%t": str(runtime)}
        for specifier, place in places.items():
            given = {variable: value.replace(specifier, place) for variable, value in given.items()}
        return clean_environment(**given)

    def close(self) -> None:
        """End everything."""
        for process in self.running.values():
            process.kill()
