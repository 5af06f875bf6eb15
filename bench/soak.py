"""Nothing lost, nothing doubled, nothing left over: many jobs and viewers while every process is killed at random."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from bench._results.results import parsed
from tests.support.soak import JOBS, VIEWERS, Soak, patient


def main() -> None:
    """Soak for so many minutes, then print what happened; an AssertionError says what went wrong."""
    arguments, results = parsed("soak", __doc__, minutes=10.0, seed=secrets.randbelow(10**6))
    case = f"{JOBS} jobs, {VIEWERS} viewers each, seed {arguments.seed}"
    with tempfile.TemporaryDirectory() as directory, patient(Path(directory) / "data") as stack:
        soak = Soak(stack, arguments.seed)
        soak.run(60 * arguments.minutes)
        soak.check()
        soak.check_leftovers()
    for name, count in sorted(soak.counts.items()):
        results.add(case, name, "", count)


if __name__ == "__main__":
    main()
