"""`python -m tests.mutation [WORDS]`: takes each guard away whose name has these words; lists the survivors."""

from __future__ import annotations

import sys

from tests.mutation.mutants import copied_tree, mutants


def main(words: str) -> int:
    """0 when no mutant survives."""
    chosen = [mutant for mutant in mutants() if words in mutant.name]
    survivors = []
    with copied_tree() as tree:
        for mutant in chosen:
            survives = mutant.survives(tree)
            survivors += [mutant.name] * survives
            print(f"{'SURVIVES' if survives else 'killed':9}{mutant.name}", flush=True)  # noqa: T201
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were killed")  # noqa: T201
    return len(survivors) > 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
