"""What benchmarks print."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from bench._results.results import Results
from tests.support.up import ROOT

BENCHMARKS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in sorted(ROOT.glob("bench/**/[!_]*.py"))
    if not any(part.startswith("_") for part in path.parts) and path.stem not in ("capacity", "screenshots")
]


def test_figures_are_lines_to_read(capsys: pytest.CaptureFixture[str]) -> None:
    results = Results("relay")
    results.add("one job", "lag", "ms", 3.0, 1.0, 2.25)
    results.add("one job", "deliveries", "", 12345.6)
    one, many = capsys.readouterr().out.splitlines()
    assert one.split() == ["one", "job", "lag", "2.25", "ms", "1", "to", "3"]
    assert many.split() == ["one", "job", "deliveries", "12,346"]


def test_figures_are_objects_to_compute_with(capsys: pytest.CaptureFixture[str]) -> None:
    Results("relay", as_json=True).add("one job", "lag", "ms", 3.0, 1.0, 2.25)
    names = {"benchmark": "relay", "case": "one job", "figure": "lag", "unit": "ms"}
    assert json.loads(capsys.readouterr().out) == {**names, "median": 2.25, "low": 1.0, "high": 3.0, "runs": 3}


@pytest.mark.parametrize("module", BENCHMARKS)
def test_every_benchmark_has_the_same_options(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert (ended.value.code, "--json" in capsys.readouterr().out) == (0, True)


def test_one_table_of_several() -> None:
    argv = [sys.executable, "-m", "bench.all", "chunks", "--json"]
    (row,) = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, check=True).stdout.splitlines()
    assert json.loads(row)["benchmark"] == "chunks"
    assert json.loads(row)["median"] > 0
