"""Pictures of every page, in light, dark, Chinese and on a phone, in the folder `screenshots`; docs/job.png is one."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.support.browser import PROGRAMS, find_browser, running_browser
from tests.support.stack import Stack, running_stack, wait_for
from tests.support.wire import create

FOLDER = Path(__file__).resolve().parents[1] / "screenshots"
_WIDE, _PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
_LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": _WIDE, "color_scheme": "light"},
    "dark": {"viewport": _WIDE, "color_scheme": "dark"},
    "phone": {"viewport": _PHONE, "color_scheme": "light", "device_scale_factor": 2},
    "chinese": {"viewport": _WIDE, "color_scheme": "light", "locale": "zh-CN"},
}
_FORMS = """# Everything that Markdown has

A formula $e^{i\\pi} + 1 = 0$, a footnote[^1], a [link](https://example.org), **bold**, `code`, 以及**重点：**中文。

$$\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$$

| Plant | Power, MW | Since |
|---|--:|---|
| La Rance | 240 | 1966 |
| Sihwa | 254 | 2011 |

```python
def head(metres: float) -> float:
    \"\"\"Pressure at the foot of a penstock, in bar.\"\"\"
    return metres * 0.0981  # water
```

- [x] planned
- [ ] built

> A picture is a link: ![a mill](https://example.org/mill.png)

[^1]: At the end of the text.
"""


def fill(running: Stack) -> dict[str, str]:
    """Jobs of every kind; the paths of the pages to take pictures of, by name."""
    url = running.url
    report = {"topic": "Tidal power in estuaries", "words": "1400", "audience": "engineers", "sections": "6"}
    done = create(url, model="demo+rate=0+first=0", prompt={"id": "report", "variables": report})["id"]
    forms = create(url, input=f"{_FORMS}[[demo echo rate=0]]")["id"]
    chinese = create(url, prompt={"id": "report", "variables": {"topic": "潮汐能的未来", "words": "800"}})["id"]
    failed = create(url, input="What is a weir? [[demo status=401]]")["id"]
    for topic in ("Watermills of the north", "翠花", "Why rivers meander"):
        create(url, prompt={"id": "story", "variables": {"topic": topic}})
    ended = (done, forms, chinese, failed)
    with running.client() as client:
        wait_for(lambda: all(client.responses.retrieve(job).status in ("completed", "failed") for job in ended), 60)
    pages = {"report": done, "forms": forms, "zh": chinese, "failed": failed}
    return {"jobs": "/jobs", "system": "/system", **{name: f"/jobs/{job}" for name, job in pages.items()}}


def begin(running: Stack, look: str) -> dict[str, str]:
    """A report and an explanation that are being written for the next half minute; the paths of the pages with them."""
    topic = "潮汐能的未来" if look == "chinese" else "Tidal power in estuaries"
    variables = {"topic": topic, "words": "1500", "sections": "6"}
    live = create(running.url, model="demo+rate=9", prompt={"id": "report", "variables": variables})["id"]
    with running.client() as client:
        wait_for(lambda: len(client.responses.retrieve(live).output_text) > (700 if look == "chinese" else 2500), 120)
    create(running.url, model="demo+rate=12", prompt={"id": "explainer", "variables": {"topic": "penstocks"}})
    return {"live": f"/jobs/{live}", "new": "/"}


def take(page: Page, name: str) -> None:
    """One picture of what is in the window, one of its top, and one of the whole page."""
    page.wait_for_timeout(1500)
    page.screenshot(path=FOLDER / f"{name}.png")
    page.mouse.wheel(0, -100_000)
    page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}-top.png")
    page.screenshot(path=FOLDER / f"{name}-whole.png", full_page=True)


def main() -> None:
    """Take them all; takes about two minutes."""
    program = find_browser()
    if program is None:
        sys.exit(f"no browser on PATH: none of {', '.join(PROGRAMS)}")
    FOLDER.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder) / "data", PENSTOCK_MODEL="demo+rate=0+first=0", PENSTOCK_DEMO="true") as running,
        running_browser(program) as browser,
    ):
        paths = fill(running)
        for look, options in _LOOKS.items():
            context = browser.new_context(**options)
            for name, path in {**begin(running, look), **paths}.items():
                page = context.new_page()
                page.goto(f"{running.url}{path}")
                take(page, f"{name}-{look}")
                page.close()
            context.close()
    shutil.copy(FOLDER / "live-light-top.png", FOLDER.parent / "docs" / "job.png")
    print(f"three pictures of each page are in {FOLDER}, that of the README in docs")


if __name__ == "__main__":
    main()
