"""The wheel, started in a folder whose files have the names of our packages and of those that we import."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.up import ROOT, clean_environment, running

# A console script has its own folder first on sys.path, and not the current one.
SCRIPT = "import sys\nfrom cli.main import main\nsys.exit(main())\n"
NAMES = (
    *("jobs", "worker", "web", "cli", "demo_model", "bench"),
    *("celery", "kombu", "gunicorn", "gevent", "flask", "redis", "sqlalchemy", "alembic", "openai", "httpx2"),
    *("gunicorn.conf", "celeryconfig", "fakeredis", "orjson", "json", "logging", "sitecustomize"),
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-P", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of somebody who has files of these names, each of which leaves a trace when it is run."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in NAMES:
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / name)!r} + '.was_run', 'w')\nraise SystemExit(9)\n")
    return folder


def test_files_in_the_current_folder_are_not_run_in_place_of_ours(site: Path, folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "bin" / "penstock"
    script.parent.mkdir()
    script.write_text(SCRIPT)
    program = (sys.executable, str(script))
    with running(tmp_path / "data", "--demo", program=program, cwd=folder, PYTHONPATH=str(site)) as up:
        assert up.url, up.words
        job = up.run("submit", "--input", "[[demo rate=0 tokens=20]] hello").stdout.strip()
        assert up.run("watch", job).exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("*.was_run")) == []


@pytest.mark.parametrize("command", ["web", "worker", "demo-model"])
def test_a_single_process_is_ours_too(site: Path, folder: Path, tmp_path: Path, command: str) -> None:
    script = tmp_path / "penstock_script.py"
    script.write_text(SCRIPT)
    environment = clean_environment(PYTHONPATH=str(site), PENSTOCK_DATA=str(tmp_path / "data"))
    ended = subprocess.run(
        [sys.executable, str(script), command, "--", "--help"]
        if command != "web"
        else [sys.executable, str(script), command, "--fd", "999"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 9, ended.stderr
    assert sorted(path.name for path in tmp_path.glob("*.was_run")) == []
