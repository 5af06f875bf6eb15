"""The pages in a real browser: what a person sees, with and without JavaScript, and what hostile text cannot do."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from urllib.parse import urljoin

import openai
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.support.stack import Stack, wait_for
from tests.support.wire import create


def status(page: Page) -> Locator:
    return page.get_by_role("status").first


def answer(page: Page) -> Locator:
    """Where the text of the job stands."""
    return page.locator("article .text").last


def words(text: str) -> list[str]:
    """The words of a text, whatever Markdown makes of the signs between them."""
    return re.findall(r"\w+", text)


def fill(page: Page, topic: str) -> None:
    page.goto(urljoin(page.url, "/?prompt=story"))
    form = page.locator("form").filter(has=page.get_by_role("heading", name="Story"))
    form.locator("[name=topic]").fill(topic)
    form.get_by_role("button", name="Write").click()
    page.wait_for_url("**/jobs/resp_*")


def job_of(page: Page) -> str:
    return page.url.rpartition("/")[2]


def expect_longer(page: Page, length: int) -> int:
    """Wait until the text on the page is longer than so many characters; its length."""
    return wait_for(lambda: found if (found := len(answer(page).inner_text())) > length else None)


def test_a_text_appears_while_it_is_written(site: Stack, client: openai.OpenAI, page: Page) -> None:
    page.goto(site.url)
    fill(page, "rivers [[demo rate=60 tokens=600 think=30]]")
    expect(status(page)).to_have_text("in progress")
    expect_longer(page, expect_longer(page, 0))
    assert client.responses.retrieve(job_of(page)).status == "in_progress"
    expect(status(page)).to_have_text("completed")
    final = client.responses.retrieve(job_of(page))
    assert words(answer(page).inner_text()) == words(final.output_text)
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()

    reasoning = page.locator("details").filter(has_text="Reasoning")
    thought = reasoning.locator(".text")
    expect(thought).to_be_hidden()
    reasoning.locator("summary").click()
    expect(thought).to_be_visible()
    assert words(thought.inner_text()) == words(final.output[0].content[0].text)  # type: ignore[union-attr, index]

    page.reload()
    expect(status(page)).to_have_text("completed")
    assert words(answer(page).inner_text()) == words(final.output_text)
    expect(page.locator("details .text")).to_be_hidden()
    page.goto(site.url)
    expect(page.get_by_role("link", name="rivers")).to_be_visible()


def test_cancel_keeps_what_is_written(site: Stack, client: openai.OpenAI, page: Page) -> None:
    page.goto(site.url)
    fill(page, "forests [[demo rate=30 tokens=5000]]")
    expect_longer(page, 50)
    page.get_by_role("button", name="Cancel").click()
    expect(status(page)).to_have_text("cancelled")
    final = client.responses.retrieve(job_of(page))
    assert final.status == "cancelled"
    assert words(answer(page).inner_text()) == words(final.output_text)
    page.reload()
    expect(status(page)).to_have_text("cancelled")
    assert words(answer(page).inner_text()) == words(final.output_text)
    site.model.wait(_prompt_about("forests"), "closed_by_client")


def _prompt_about(topic: str) -> str:
    return f"Write a story of about 300 words about “{topic} ”."


def test_a_failure_says_what_to_do_and_has_the_models_words_beneath(site: Stack, page: Page) -> None:
    page.goto(site.url)
    fill(page, "deserts [[demo status=401]]")
    expect(status(page)).to_have_text("failed")
    for _ in range(2):
        expect(page.get_by_role("alert")).to_contain_text("refuses the key: set OPENAI_API_KEY")
        page.get_by_text("What was said").click()
        expect(page.locator("#error p")).to_contain_text("Incorrect API key provided")
        page.reload()


def test_without_javascript_everything_works(
    site: Stack, client: openai.OpenAI, tabs: dict[bool, BrowserContext]
) -> None:
    page = tabs[False].new_page()
    page.goto(site.url)
    fill(page, "mountains [[demo rate=60 tokens=60]]")
    mountains = job_of(page)
    expect(page.locator("meta[http-equiv=refresh]")).to_have_count(1)
    expect(status(page)).to_have_text("completed")  # it comes by itself
    final = client.responses.retrieve(mountains)
    assert words(answer(page).inner_text()) == words(final.output_text)
    expect(page.locator("meta[http-equiv=refresh]")).to_have_count(0)

    page.goto(site.url)
    fill(page, "lakes [[demo rate=20 tokens=5000]]")
    lakes = job_of(page)
    wait_for(lambda: client.responses.retrieve(lakes).output_text)
    page.reload()
    assert words(answer(page).inner_text())
    page.get_by_role("button", name="Cancel").click()
    expect(status(page)).to_have_text("cancelled")
    assert words(answer(page).inner_text()) == words(client.responses.retrieve(lakes).output_text)

    page.goto(f"{site.url}/?prompt=story")
    form = page.locator("form").filter(has=page.get_by_role("heading", name="Story"))
    form.locator("[name=topic]").fill("kept for a second try")
    form.locator("[name=language]").evaluate("element => element.add(new Option('xx', 'xx', true, true))")
    form.get_by_role("button", name="Write").click()
    expect(page.get_by_role("alert")).to_contain_text("language")
    expect(form.locator("[name=topic]")).to_have_value("kept for a second try")


def test_a_page_goes_on_when_the_web_process_is_replaced(site: Stack, client: openai.OpenAI, page: Page) -> None:
    job = create(site.url, input="islands [[demo rate=40 tokens=160]]")["id"]
    page.goto(f"{site.url}/jobs/{job}")
    expect_longer(page, 40)
    site.webs[-1].kill()
    site.restart_web()
    expect(status(page)).to_have_text("completed")
    assert words(answer(page).inner_text()) == words(client.responses.retrieve(job).output_text)


# -- hostile text --------------------------------------------------------------------------------------------------

EVIL = """Before. <script>document.title = "owned"</script> <img src=x onerror="document.title='owned'">
<svg onload="document.title='owned'"><animate onbegin="document.title='owned'"></svg>
<iframe src="{leak}"></iframe> <object data="{leak}"></object> <embed src="{leak}">
<video src="{leak}" autoplay></video>
<link rel="stylesheet" href="{leak}"> <style>@import "{leak}"; body {{ background: url({leak}) }}</style>
<base href="{leak}"> <meta http-equiv="refresh" content="0;url={leak}"> <form action="{leak}"><button>Go</button></form>

[a link](javascript:document.title='owned') [another](  JaVaScRiPt:document.title='owned')
[third](data:text/html,<script>document.title='owned'</script>) [fourth](vbscript:x) <a href="javascript:alert(1)">x</a>
<javascript:document.title='owned'> [fifth](java&#115;cript:alert(1))

![x]({leak}) ![y][ref] <{leak}> <img/src="{leak}"/onload=alert(1)>

[ref]: {leak}

```html
</code></pre><script>document.title = "owned"</script>
```
| a | b |
| --- | --- |
| <img src="{leak}"> | </td></table><script>alert(1)</script> |

<scr<script>ipt>alert(1)</scr</script>ipt> "><img src="{leak}"> <!-- <script> --> &lt;script&gt; </div></article></main>
<details open ontoggle="document.title='owned'"> <p style="background: url({leak})" onclick="alert(1)">After."""


@pytest.fixture
def leak() -> Iterator[socket.socket]:
    """Listens where the hostile text wants to be heard."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def assert_tame(page: Page) -> None:
    """Nothing on the page can run or load anything that is not ours."""
    assert page.title() != "owned"
    sources = page.locator("script").evaluate_all("found => found.map(it => it.getAttribute('src'))")
    assert all(source and source.startswith("/static/") for source in sources), sources
    loading = "main img, iframe, object, embed, video, base, main style, main link, main meta, main svg[onload]"
    expect(page.locator(loading)).to_have_count(0)
    handlers = "found => found.flatMap(it => it.getAttributeNames()).filter(it => it.startsWith('on'))"
    assert page.locator("*").evaluate_all(handlers) == []
    addresses = page.locator("[href]").evaluate_all("found => found.map(it => new URL(it.href).protocol)")
    assert set(addresses) <= {"http:", "https:", "mailto:"}
    actions = page.locator("form").evaluate_all("found => found.map(it => new URL(it.action).origin)")
    assert set(actions) <= {page.url.partition("/jobs")[0].rstrip("/")}


@pytest.mark.parametrize("script", [True, False])
def test_invariant_9_nothing_executes(
    site: Stack, client: openai.OpenAI, tabs: dict[bool, BrowserContext], leak: socket.socket, script: bool
) -> None:
    text = EVIL.format(leak=f"http://127.0.0.1:{leak.getsockname()[1]}/leak")
    page = tabs[script].new_page()
    job = create(site.url, input=f"{text} [[demo echo rate=1500]]")["id"]
    page.goto(f"{site.url}/jobs/{job}")
    expect(page.locator("article")).to_contain_text("After.")
    assert_tame(page)
    expect(status(page)).to_have_text("completed")
    assert client.responses.retrieve(job).output_text.rstrip() == text
    for path in (f"/jobs/{job}", f"/jobs/{job}.txt", "/"):
        page.goto(f"{site.url}{path}")
        expect(page.locator("body")).to_contain_text("Before.")
        assert_tame(page)
    create(site.url, prompt={"id": "story", "variables": {"topic": text.replace("\n", " ")[:1900]}})
    page.goto(site.url)
    assert_tame(page)
    with pytest.raises(BlockingIOError):
        leak.accept()
