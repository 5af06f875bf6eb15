"""Nothing lost, nothing doubled, nothing left over: many jobs and viewers while every process is killed at random."""

from __future__ import annotations

import argparse
import secrets
import tempfile
from pathlib import Path

from tests.support.soak import JOBS, VIEWERS, WEBS, WORKERS, Soak, patient


def main() -> None:
    """Soak for so many minutes, then print what happened; an AssertionError says what went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="whom the kills hit, and when")
    given = parser.parse_args()
    print(f"{JOBS} jobs at a time, {VIEWERS} viewers each, {WORKERS} workers, {WEBS} web processes; seed {given.seed}")
    with tempfile.TemporaryDirectory() as directory, patient(Path(directory) / "data") as stack:
        soak = Soak(stack, given.seed)
        soak.run(60 * given.minutes)
        soak.check()
        soak.check_leftovers()
    for name, count in sorted(soak.counts.items()):
        print(f"{name:28} {count:>8,}")
    print("nothing lost, nothing doubled, nothing left over")


if __name__ == "__main__":
    main()
