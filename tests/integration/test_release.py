"""ops/release, whole: it builds, checks and tries a release. Only its environments are those that there are already."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.support import environments
from tests.support.up import ROOT, clean_environment

ADDRESS = "https://host.example/owner/penstock"

# `python3 -m venv DIRECTORY`: the tools are a link, the clean one has what the lock names, but not Penstock's commands.
PYTHON = """#!/bin/sh
case $3 in */tools) exec ln -s {tools} "$3" ;; esac
{python} -m venv --without-pip "$3"
for place in "$3"/lib/python*/site-packages; do echo {packages} >"$place/there.pth"; done
printf '#!/bin/sh\\nexec {tools}/bin/python -m pip --python "$(dirname "$0")/python" "$@"\\n' >"$3/bin/pip"
chmod 755 "$3/bin/pip"
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with the files of this one, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("this is no git checkout")
    place = tmp_path / "checkout"
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place / name)
    author = ["-c", "user.name=A", "-c", "user.email=a@host.example"]
    for step in (["init", "--quiet"], ["add", "--all"], [*author, "commit", "--quiet", "--message", "All"]):
        subprocess.run(["git", *step], cwd=place, check=True)
    return place


def release(checkout: Path, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "ops" / "release", ADDRESS],
        cwd=checkout,
        env=clean_environment(PATH=path, PIP_NO_INDEX="1"),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_what_is_not_committed_is_not_released(checkout: Path) -> None:
    (checkout / "new").write_text("x")
    done = release(checkout)
    assert done.returncode == 1
    assert done.stderr == "release: commit first: the release is made of what is committed\n"


@pytest.mark.timeout(300)
def test_a_release_is_built_checked_and_tried(checkout: Path, tmp_path: Path) -> None:
    tools = environments.release_tools()
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "python3"
    packages = sysconfig.get_path("purelib")
    program.write_text(PYTHON.format(tools=tools, python=sys.executable, packages=packages))
    program.chmod(0o755)
    done = release(checkout, f"{program.parent}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    dist = checkout / "dist"
    (wheel,), (source,), (bill,) = dist.glob("*.whl"), dist.glob("*.tar.gz"), dist.glob("*.cdx.json")
    sums = {hashlib.sha256(path.read_bytes()).hexdigest(): path.name for path in (wheel, source, bill)}
    assert dict(line.split() for line in (dist / "SHA256SUMS").read_text().splitlines()) == sums
    assert '"langchain-core"' in bill.read_text()
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        shown = archive.read(metadata).decode()
    assert f"Project-URL: Source, {ADDRESS}" in shown
    assert f"]({ADDRESS}/blob/v" in shown
    assert "](docs/" not in shown
    with tarfile.open(source) as archive:
        files = {member.name.partition("/")[2]: member for member in archive}
    # What docs/server.md installs from an unpacked source.
    assert {"requirements.lock", "ops/nginx/site.conf", "ops/systemd/penstock-web.service"} <= set(files)
    assert files["ops/release"].mode & 0o100
