"""Every benchmark, one after the other, in one table; or those that are named. Takes half an hour and more."""

from __future__ import annotations

import json
import subprocess
import sys

from bench._results.results import line, parsed

_BENCHMARKS = (
    "first_token",
    "chunks",
    "worker",
    "streams",
    "web.relay",
    "web.late_viewers",
    "report",
    "web.page",
    "memory",
    "web.hostile",
    "database.queues",
    "database.search",
    "database.growth",
    "by_hand",
    "soak",
    "machines",
)


def main() -> int:
    """How many of them failed."""
    arguments, _ = parsed("all", __doc__, names=_BENCHMARKS)
    failed = 0
    for name in arguments.names:
        argv = [sys.executable, "-m", f"bench.{name}", "--json"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout
            for text in running.stdout:
                print(text.rstrip() if arguments.json else _row(text), flush=True)
        if running.returncode:
            failed += 1
            print(f"{name} failed ({running.returncode})", file=sys.stderr)
    return failed


def _row(text: str) -> str:
    row = json.loads(text)
    numbers = {name: row[name] for name in ("median", "low", "high")}
    return f"{row['benchmark']:13}" + line(row["case"], row["figure"], row["unit"], **numbers)


if __name__ == "__main__":
    sys.exit(main())
