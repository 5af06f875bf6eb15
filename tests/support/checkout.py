"""A small checkout for start.py. A script stands in for uv: it makes a `.venv` of scripts, and notes each call."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

START = Path(__file__).resolve().parents[2] / "start.py"

UV = """#!/bin/sh
echo "$@" >> uv.calls
if [ -e uv.wait ]; then read -r _ < uv.wait; fi
if [ -e uv.broken ]; then echo "what went before"; cat uv.broken >&2; exit 3; fi
[ "$1" = venv ] || exit 0
mkdir -p "$4/bin"
echo "home = $4" > "$4/pyvenv.cfg"
for name in python penstock ruff mypy lint-imports; do
  echo '#!/bin/sh' > "$4/bin/$name"
  echo "# in $4/bin" >> "$4/bin/$name"
  printf 'echo "%s $*${PYTHONDONTWRITEBYTECODE:+ slowly}"\\ntest ! -e "%s.fails"\\n' "$name" "$name" >> "$4/bin/$name"
  chmod +x "$4/bin/$name"
done
"""

VENV, PROJECT = "venv --python", "pip install --python .venv/bin/python --no-deps"
RUNTIME, DEVELOPMENT = (
    f"pip install --python .venv/bin/python --require-hashes --requirement {lock}"
    for lock in ("requirements.lock", "requirements-dev.lock")
)


@dataclass(frozen=True)
class Checkout:
    """A directory with start.py and what it reads."""

    root: Path

    def launch(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """start.py as a process of its own, with the stand-in for uv on its PATH."""
        return subprocess.Popen(
            [sys.executable, "start.py", *arguments],
            cwd=self.root,
            env={"PATH": f"{self.root / 'tools'}:/usr/bin:/bin", **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """start.py from its beginning to its end."""
        with self.launch(*arguments, **variables) as process:
            out, err = process.communicate(timeout=60)
            return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def calls(self) -> list[str]:
        """What uv was asked for since the last look, shortened to what matters."""
        log = self.root / "uv.calls"
        lines = (
            log.read_text().replace(f"{self.root}/", "").replace(".venv.new", ".venv").splitlines()
            if log.exists()
            else []
        )
        log.unlink(missing_ok=True)
        return [next((known for known in (VENV, PROJECT) if line.startswith(known)), line) for line in lines]

    def touch(self, name: str) -> Path:
        return self.write(name, "")

    def write(self, name: str, content: str) -> Path:
        path = self.root / name
        path.write_text(content)
        return path


def let_through(gate: Path) -> None:
    """Wait until uv stands at the gate, then open it, for good."""
    with gate.open("w") as pipe:
        gate.unlink()
        pipe.write("go\n")


def patched(patch: str, start: Path) -> subprocess.CompletedProcess[str]:
    """start.py in a Python that `patch` has made different, without uv."""
    script = f"import runpy, sys; {patch}; runpy.run_path({str(start)!r}, run_name='__main__')"
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env={}, capture_output=True, text=True, check=False, timeout=60)
