"""The programs of the README and of docs/programs.md, run as they stand there: only the address is another one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.support import environments
from tests.support.environments import Environment
from tests.support.stack import running_stack
from tests.support.up import ROOT

pytestmark = pytest.mark.timeout(300)  # an environment may have to be made first

ADDRESS = "http://127.0.0.1:8000"
PROGRAMS = ("python", "js")

# A section's environment, and what stands at the beginning of each text that its program prints.
SECTIONS: dict[str, tuple[Callable[[], Environment], list[str]]] = {
    "Five ways in, python": (environments.own, ["offline demo model"]),
    "Five ways in, js": (environments.node, ["offline demo model"]),
    "From Python, unchanged": (environments.own, ["离线演示模型"]),
    "From Node": (environments.node, ["offline demo model"]),
    "From LangChain": (environments.own, ["offline demo model"]),
    "From the Agents SDK": (lambda: environments.python("agents"), ["offline demo model", "offline demo model"]),
}


def programs() -> dict[str, str]:
    """Section to program: all of a section's blocks are one, unless they are in different languages."""
    texts = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/programs.md"))
    found: dict[str, str] = {}
    for section in (section for text in texts for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]):
        title = section.partition("\n")[0]
        blocks = {
            language: re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
            for language in PROGRAMS
        }
        written = {language: "\n".join(block) for language, block in blocks.items() if block}
        found |= {title if len(written) == 1 else f"{title}, {language}": text for language, text in written.items()}
    return found


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[str]]]:
    """What each section's program prints. All run at once, and mostly wait for the demo model.

    It is at the pace that `start.py` gives it: slow enough for a job to be cancelled.
    """
    directory = tmp_path_factory.mktemp("readme") / "data"
    with running_stack(directory, PENSTOCK_MODEL="demo") as started, ThreadPoolExecutor(len(SECTIONS)) as pool:

        def run(section: str) -> str:
            program = programs()[section]
            assert ADDRESS in program
            return SECTIONS[section][0]().run(program.replace(ADDRESS, started.url))

        yield {section: pool.submit(run, section) for section in SECTIONS}


def test_every_program_is_run() -> None:
    assert set(programs()) == set(SECTIONS)


@pytest.mark.parametrize("section", SECTIONS)
def test_a_program_prints_its_texts(printed: dict[str, Future[str]], section: str) -> None:
    _, beginnings = SECTIONS[section]
    assert re.findall("|".join(set(beginnings)), printed[section].result()) == beginnings
