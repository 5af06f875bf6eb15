"""ops/systemd says the same as docker-compose.yml, and systemd takes it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.compose import compose_file, seconds
from tests.support.units import unit_values
from tests.support.up import ROOT

FOLDER = ROOT / "ops" / "systemd"
PROGRAM = "/opt/penstock/.venv/bin/penstock"
SERVICES = {
    "migrate": "penstock-migrate.service",
    "web": "penstock-web.service",
    "worker": "penstock-worker@.service",
    "batch-worker": "penstock-batch-worker@.service",
}


def values(service: str, name: str) -> list[str]:
    """What a unit, with what all have in common, says under a name."""
    return unit_values(FOLDER, SERVICES[service])[name]


@pytest.mark.parametrize("service", SERVICES)
def test_a_unit_does_what_its_container_does(service: str) -> None:
    container = compose_file()["services"][service]
    (command,) = values(service, "ExecStart")
    # Of Flower, which reads the events, there is a container and no unit.
    expected = [PROGRAM, *(word for word in container["command"] if word != "--task-events")]
    if service == "web":  # a container's own address is nobody else's
        expected = [word for word in expected if word not in ("--host", "0.0.0.0")]
    assert command.split() == expected
    environment = dict(value.split("=", 1) for value in values(service, "Environment"))
    credentials = {f"%d/{value.partition(':')[0]}" for value in values(service, "LoadCredential")}
    assert {value for name, value in environment.items() if name.endswith("_FILE")} == credentials
    here = {name: value.replace("%d/", "/run/secrets/") for name, value in environment.items()}
    del here["PENSTOCK_DATA"]
    assert here.items() <= container["environment"].items()
    # What all have in common is read last, so that it must not say how a process starts.
    assert values(service, "Type") == ["oneshot" if service == "migrate" else "exec"]
    if service != "migrate":
        assert float(values(service, "TimeoutStopSec")[0]) == seconds(container["stop_grace_period"])
        assert values(service, "Restart") == ["always"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd on this machine")
def test_systemd_takes_the_units_and_finds_them_hardened(tmp_path: Path) -> None:
    units = tmp_path / "units"
    shutil.copytree(FOLDER, units)
    for path in units.glob("*.service"):
        path.write_text(path.read_text().replace(PROGRAM, shutil.which("true") or ""))
    names = [str(units / name.replace("@", "@1")) for name in SERVICES.values()]
    # With the colon: and where its own targets are.
    environment = {"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin"}
    for check in (["verify"], ["security", "--offline=true", "--threshold=20", "--no-pager"]):
        done = subprocess.run(
            ["systemd-analyze", *check, *names],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert not done.stderr
