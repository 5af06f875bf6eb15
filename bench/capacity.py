"""How much is needed: `measure` takes the costs, `needs` multiplies them, `simulate` has a day of jobs and deaths.

`python -m bench.capacity simulate --jobs-an-hour 3000 --workers 2 --worker-lives-hours 6 --price 2`; --help names all.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields
from statistics import quantiles

from bench._capacity.measurement import MEASURED, measure
from bench._capacity.needs import Load, needs_of
from bench._capacity.simulation import Outcome, Scenario, Simulation

# Generations that run at once, and viewers: of the table in ops/capacity.md.
LOADS = (
    Load(10, 10),
    Load(10, 1_000),
    Load(1_000, 1_000),
    Load(1_000, 100_000),
    Load(10_000, 1_000),
    Load(10_000, 100_000),
)


def table() -> list[str]:
    """What the loads need by the measured costs, as lines of Markdown."""
    lines = [
        "| generations | viewers | workers | webs | Redis, cores | database, cores | memory, GB | Redis, GB | Mbit/s "
        "| stored, GB a day |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for load in LOADS:
        found = needs_of(load, MEASURED)
        lines.append(
            f"| {load.running:,} | {load.viewers:,} | {found.workers:,} | {found.webs:,} | {found.redis_cores:.2f} "
            f"| {found.database_cores:.2f} | {found.memory_gb:.1f} | {found.redis_gb:.1f} | {found.megabits:,.0f} "
            f"| {found.stored_gb_a_day:.1f} |"
        )
    return lines


def describe(scenario: Scenario, outcome: Outcome) -> list[str]:
    """What a day was like, in lines."""
    slots = scenario.workers * scenario.concurrency
    bought = outcome.tokens + outcome.tokens_again
    lines = [
        f"{outcome.ended:,} jobs ended, {outcome.deaths} deaths of workers, {outcome.most_waiting:,} waited at most",
        f"of {slots:,} places {outcome.busy / (scenario.hours * 3600 * slots):.0%} were busy",
    ]
    for name, waits in zip(("default", "flex"), outcome.waits, strict=True):
        if len(waits) > 1:
            cuts = quantiles(waits, n=100)
            lines.append(f"wait of {name}, s: median {cuts[49]:.1f}, p95 {cuts[94]:.1f}, p99 {cuts[98]:.1f}")
    lines.append(f"{bought:,.0f} tokens bought, {outcome.tokens_again / bought if bought else 0:.2%} of them again")
    if scenario.price:
        again = outcome.tokens_again / 1e6 * scenario.price
        lines.append(f"cost {bought / 1e6 * scenario.price:,.2f}, of which {again:,.2f} for what was bought again")
    return lines


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.capacity", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("measure", help="the costs of a generation and of a viewer on this machine")
    commands.add_parser("needs", help="the table of ops/capacity.md")
    simulate = commands.add_parser("simulate", help="a day of arrivals, waiting and failures")
    for one in fields(Scenario):
        needed = one.default is MISSING
        kind = int if one.name in ("workers", "concurrency") else float
        default = None if needed else one.default
        simulate.add_argument(f"--{one.name.replace('_', '-')}", type=kind, required=needed, default=default)
    simulate.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, multiply or simulate."""
    asked = _arguments(arguments)
    if asked.command == "measure":
        for name, value in asdict(measure()).items():
            print(f"{name} = {value:.3g}")
    elif asked.command == "needs":
        print("\n".join(table()))
    else:
        scenario = Scenario(**{one.name: getattr(asked, one.name) for one in fields(Scenario)})
        print("\n".join(describe(scenario, Simulation(scenario, asked.seed).run())))


if __name__ == "__main__":
    main()
