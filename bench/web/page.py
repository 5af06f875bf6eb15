"""The page of a long report: does the browser stay free while it is written, how soon it opens, what a viewer costs."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import psutil
from playwright.sync_api import Browser, Page, expect

from bench._results.results import parsed
from tests.support.browser import PROGRAMS, find_browser, running_browser
from tests.support.process import Process
from tests.support.stack import Stack, running_stack
from tests.support.wire import create, request

_CHARACTERS, _WATCHED = 200_000, 24_000
_LONGEST_MS, _OPEN_MS = 50, 1000
_VIEWERS, _TIMES = 100, 3
_WRITING_MS = 180_000
# A token has about six characters.
_QUESTION = "Write about “{topic}” in 30000 words [[demo tokens={tokens} rate={rate}]]"
# From before the page's own script on: every task that kept the page from answering for more than 50 ms.
_OBSERVER = """
window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((task) => task.toJSON())))
  .observe({ type: "longtask", buffered: true });
"""
# What it takes to load the page is in the rows below that one.
_LOADED_MS = 1000
_LONGEST = "longest task of the page, ms"
_OPENS, _OPENS_COLD = "opens, ms", "opens after a start, ms"
_OPENED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def streamed(browser: Browser, running: Stack) -> tuple[str, int, float]:
    """Watch a report being written: its path, its length in characters, the page's longest task in ms (0: none)."""
    page = browser.new_page()
    page.add_init_script(_OBSERVER)
    path = f"/jobs/{_ask(running, 'tides', _CHARACTERS, rate=500)}"
    page.goto(f"{running.url}{path}")
    expect(page.get_by_role("status").first).to_contain_text("completed", timeout=_WRITING_MS)
    tasks = page.evaluate("window.tasks")
    longest = max((task["duration"] for task in tasks if task["startTime"] > _LOADED_MS), default=0.0)
    length = len(page.locator("article").inner_text())
    page.close()
    return path, length, longest


def opened(page: Page, address: str) -> float:
    """Milliseconds from the question for an ended job's page until all of it is there."""
    page.goto(address)
    return float(page.evaluate(_OPENED))


def spent(running: Stack, watch: Callable[[str], None], viewers: int) -> float:
    """Seconds of CPU time that the web process uses while so many watch one job from its beginning to its end."""
    job = _ask(running, f"{viewers} viewers", _WATCHED, rate=200)
    before = _seconds(running.webs[-1])
    with ThreadPoolExecutor(viewers) as threads:
        list(threads.map(watch, [job] * viewers))
    return _seconds(running.webs[-1]) - before


def _ask(running: Stack, topic: str, characters: int, *, rate: int) -> str:
    job: str = create(running.url, input=_QUESTION.format(topic=topic, tokens=characters // 6, rate=rate))["id"]
    return job


def _seconds(web: Process) -> float:
    family = [psutil.Process(web.pid), *psutil.Process(web.pid).children()]
    return sum(sum(process.cpu_times()[:2]) for process in family)


def in_browser(browser: Browser, running: Stack) -> tuple[str, dict[str, float]]:
    """What a person notices: rows of the table, and what is to be said above it."""
    path, length, longest = streamed(browser, running)
    rows = {_LONGEST: longest, _OPENS: opened(browser.new_page(), f"{running.url}{path}")}
    cold = []
    for _ in range(_TIMES):
        running.webs[-1].end()
        running.restart_web()
        cold.append(opened(browser.new_page(), f"{running.url}{path}"))
    rows[_OPENS_COLD] = median(cold)
    return f"{length:,} characters on the page", {
        **rows,
        _OPENS_COLD: opened(browser.new_page(), f"{running.url}{path}"),
    }


def of_viewers(running: Stack) -> dict[str, float]:
    """What viewers of the page, and those of the API beside them, cost the web process."""

    def follow(path: str) -> Callable[[str], None]:
        def watch(job: str) -> None:
            with request(running.url, path.format(job)) as answer:
                while answer.read1():
                    pass

        return watch

    rows: dict[str, float] = {}
    for name, path in {"page": "/jobs/{}/live", "API": "/v1/responses/{}?stream=true"}.items():
        single, several = (spent(running, follow(path), viewers) for viewers in (1, _VIEWERS))
        rows |= {f"1 viewer of the {name}, CPU s": single, f"{_VIEWERS} of the {name}, CPU s": several}
        rows[f"each of the {name} more, CPU s"] = (several - single) / (_VIEWERS - 1)
    return rows


def main() -> None:
    """Fails when the page was blocked or slow."""
    _, results = parsed("page", __doc__)
    program = find_browser()
    if program is None:
        sys.exit(f"no browser on PATH: none of {', '.join(PROGRAMS)}")
    with tempfile.TemporaryDirectory() as folder, running_stack(Path(folder) / "data") as running:
        with running_browser(program) as browser:
            title, rows = in_browser(browser, running)
        for name, value in (rows | of_viewers(running)).items():
            figure, _, unit = name.partition(", ")
            results.add(title, figure, unit, value)
    if rows[_LONGEST] > _LONGEST_MS or max(rows[_OPENS], rows[_OPENS_COLD]) > _OPEN_MS:
        sys.exit(f"A page may be blocked for {_LONGEST_MS} ms at a time and opens within {_OPEN_MS} ms.")


if __name__ == "__main__":
    main()
