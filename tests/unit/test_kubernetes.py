"""ops/kubernetes says the same as docker-compose.yml: commands, ports, probes, environment, limits, time to end."""

from __future__ import annotations

import shutil
import subprocess
from itertools import chain
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from jobs.settings import Settings
from tests.support.compose import OURS, compose_file, seconds
from tests.support.up import ROOT

FOLDER = ROOT / "ops" / "kubernetes"
LASTING = [name for name in OURS if name != "migrate"]
# Docker sets them from the shell; here they stand in config.yaml if they are needed.
FROM_THE_SHELL = {"OPENAI_BASE_URL", "PENSTOCK_MODEL", "PENSTOCK_SECURE_COOKIES"}


def kustomization() -> Any:
    return yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


def resources() -> dict[tuple[str, str], Any]:
    """All that the kustomization names, by kind and name."""
    texts = [(FOLDER / name).read_text() for name in kustomization()["resources"]]
    found = chain.from_iterable(yaml.safe_load_all(text) for text in texts)
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def pod(name: str) -> Any:
    kind = "Job" if name == "migrate" else "Deployment"
    return resources()[kind, name]["spec"]["template"]["spec"]


def container(name: str) -> Any:
    (found,) = pod(name)["containers"]
    return found


def service(name: str) -> Any:
    return compose_file()["services"][name]


@pytest.mark.parametrize("name", OURS)
def test_a_container_does_what_it_does_under_docker(name: str) -> None:
    here, there = container(name), service(name)
    assert here["args"] == there["command"]
    assert here["image"] == there["image"]
    config = resources()["ConfigMap", "penstock"]["data"]
    environment = config | {one["name"]: one["value"] for one in here.get("env", [])}
    asked = {variable: value for variable, value in there["environment"].items() if variable not in FROM_THE_SHELL}
    assert environment == asked
    assert [variable for variable in environment if not is_known(variable)] == []


def is_known(variable: str) -> bool:
    """Whether a variable of the environment, or its file, makes a setting."""
    name = variable.lower().removeprefix("penstock_")
    return name in Settings.model_fields or name.removesuffix("_file") in Settings.model_fields


@pytest.mark.parametrize("name", OURS)
def test_a_container_has_no_more_rights_than_under_docker(name: str) -> None:
    assert pod(name)["automountServiceAccountToken"] is False
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert container(name)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container(name)["resources"]["limits"]["memory"] == service(name)["mem_limit"].replace("g", "Gi")
    written = {mount["mountPath"] for mount in container(name)["volumeMounts"] if not mount.get("readOnly")}
    assert written == {mount.partition(":")[0] for mount in service(name)["tmpfs"]}


@pytest.mark.parametrize("name", LASTING)
def test_a_process_is_asked_the_same_and_ends_in_the_same_time(name: str) -> None:
    deployment = resources()["Deployment", name]["spec"]
    assert deployment["replicas"] == service(name).get("deploy", {}).get("replicas", 1)
    budget = resources()["PodDisruptionBudget", name]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": deployment["selector"]}
    assert deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()
    pause = 5 if name == "web" else 0
    assert container(name).get("lifecycle") == ({"preStop": {"exec": {"command": ["sleep", "5"]}}} if pause else None)
    assert pod(name)["terminationGracePeriodSeconds"] == pause + seconds(service(name)["stop_grace_period"])
    test = service(name)["healthcheck"]["test"]
    for probe in ("startupProbe", "livenessProbe"):
        asked = container(name)[probe]
        if name == "web":
            assert f"http://127.0.0.1:8000{asked['httpGet']['path']}'" in test[-1]
        else:
            assert asked["exec"]["command"] == test[1:]


def test_the_service_leads_to_the_webs() -> None:
    (port,) = container("web")["ports"]
    assert service("web")["command"][-1] == str(port["containerPort"])
    found = resources()["Service", "web"]["spec"]
    assert found["selector"] == resources()["Deployment", "web"]["spec"]["selector"]["matchLabels"]
    assert found["ports"] == [{"name": "http", "port": 8000, "targetPort": port["name"]}]


def test_every_deployment_grows_with_what_it_has_to_do() -> None:
    scaled = {name: one["spec"] for (kind, name), one in resources().items() if kind == "ScaledObject"}
    assert sorted(scaled) == sorted(LASTING)
    for name, spec in scaled.items():
        assert spec["scaleTargetRef"] == {"name": name}
        assert spec["minReplicaCount"] < spec["maxReplicaCount"]


def test_the_secret_has_the_files_that_the_environment_names() -> None:
    files = [value for value in resources()["ConfigMap", "penstock"]["data"].values() if "/run/secrets/" in value]
    assert {file.removeprefix("/run/secrets/") for file in files} <= set(compose_file()["secrets"])


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl on this machine")
def test_kustomize_builds_it() -> None:
    done = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    built = [one for one in yaml.safe_load_all(done.stdout) if one]
    assert len(built) == len(resources())
    assert {one["metadata"]["namespace"] for one in built} == {"penstock"}
