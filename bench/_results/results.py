"""The lines of a benchmark: one table for people, or with `--json` an object a line."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Results:
    """Printed as they come."""

    benchmark: str
    as_json: bool = False

    def add(self, case: str, figure: str, unit: str, *runs: float) -> None:
        """What one figure was in one case, in each of the runs; printed as their median, least and most."""
        values = {"median": median(runs), "low": min(runs), "high": max(runs)}
        if self.as_json:
            names = {"benchmark": self.benchmark, "case": case, "figure": figure, "unit": unit}
            print(json.dumps({**names, **values, "runs": len(runs)}), flush=True)
        else:
            print(line(case, figure, unit, **values), flush=True)


def line(case: str, figure: str, unit: str, *, median: float, low: float, high: float) -> str:
    """A line of the table."""
    spread = f"   {_short(low)} to {_short(high)}" if low < high else ""
    return f"{case:48} {figure:24} {_short(median):>8} {unit:6}{spread}".rstrip()


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def parsed(name: str, description: str | None, **options: Any) -> tuple[argparse.Namespace, Results]:
    """The command line of a benchmark, and where its results go.

    `options` are arguments with their defaults: a list takes values without a name, anything else is `--NAME`.
    """
    parser = argparse.ArgumentParser(prog=f"start.py bench {name}", description=description)
    parser.add_argument("--json", action="store_true", help="an object a line")
    for option, default in options.items():
        if isinstance(default, Sequence) and not isinstance(default, str):
            parser.add_argument(option, nargs="*", type=type(default[0]), default=list(default))
        else:
            parser.add_argument(f"--{option.replace('_', '-')}", type=type(default), default=default)
    arguments = parser.parse_args()
    return arguments, Results(name, arguments.json)
