"""Images pass through to the model; they are kept by reference, fetched by nobody here, and shown as files."""

from __future__ import annotations

import json
import re
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from tests.support.assertions import ended
from tests.support.pictures import png, url_of
from tests.support.stack import Stack
from tests.support.wire import fetch, request

ADDRESS = "https://pictures.invalid/a/cat.png?size=2"
ECHO = "[[demo echo]]"


def message(*parts: Any) -> list[dict[str, Any]]:
    """An input of one message, of texts and addresses of images."""
    return [{"role": "user", "content": [part if isinstance(part, dict) else _part(part) for part in parts]}]


def _part(value: str) -> dict[str, Any]:
    if value.startswith(("data:", "http")):
        return {"type": "input_image", "image_url": value}
    return {"type": "input_text", "text": value}


def shown(picture: bytes) -> str:
    """What the demo model calls an image that it got."""
    return f"[image/png, {len(picture)} bytes]"


def test_the_model_gets_images_where_they_stand(client: openai.OpenAI) -> None:
    picture = png()
    asked: Any = message(ECHO, "before ", url_of(picture), " between ", ADDRESS, " after")
    response = client.responses.create(input=asked)
    assert response.output_text == f"before {shown(picture)} between [{ADDRESS}] after"


def test_chat_completions_take_images(client: openai.OpenAI) -> None:
    picture = png()
    parts = [
        {"type": "text", "text": f"{ECHO}this "},
        {"type": "image_url", "image_url": {"url": url_of(picture), "detail": "low"}},
        {"type": "image_url", "image_url": {"url": ADDRESS}},
    ]
    asked: Any = [{"role": "user", "content": parts}]
    answer = client.chat.completions.create(model="demo", messages=asked)
    assert answer.choices[0].message.content == f"this {shown(picture)}[{ADDRESS}]"


def test_a_conversation_keeps_its_images(client: openai.OpenAI) -> None:
    picture = png()
    asked: Any = message("look ", url_of(picture))
    first = client.responses.create(input=asked, model="demo+tokens=3")
    reference: Any = [{"type": "item_reference", "id": client.responses.input_items.list(first.id).data[0].id}]
    again = client.responses.create(input=reference, model="demo+echo")
    assert again.output_text == f"look {shown(picture)}"
    further: Any = {"input": "and now?", "model": "demo+tokens=3"}
    second = client.responses.create(previous_response_id=first.id, **further)
    for response in (first, again):
        client.responses.delete(response.id)
    assert client.responses.create(previous_response_id=second.id, **further).status == "completed"
    retried = client.post(f"/responses/{second.id}/retry", cast_to=Response)
    assert ended(client, retried.id).status == "completed"


def test_input_items_have_the_image_when_it_is_asked_for(client: openai.OpenAI) -> None:
    picture = png()
    asked: Any = message("a", {"type": "input_image", "image_url": url_of(picture), "detail": "high"}, ADDRESS)
    job = client.responses.create(input=asked, background=True, model="demo+tokens=3")
    plain = client.responses.input_items.list(job.id).to_dict()["data"][0]["content"]  # type: ignore[index]
    whole = client.responses.input_items.list(job.id, include=["message.input_image.image_url"])
    expected = [("input_text", None), ("input_image", url_of(picture)), ("input_image", ADDRESS)]
    assert [(part.type, getattr(part, "image_url", None)) for part in whole.data[0].content] == expected  # type: ignore[union-attr]
    expected[1] = ("input_image", None)
    assert [(part["type"], part.get("image_url")) for part in plain] == expected
    assert plain[1]["detail"] == "high"


def test_a_page_names_images_and_loads_none(penstock: Stack, client: openai.OpenAI) -> None:
    picture = png()
    asked: Any = message("a picture", url_of(picture), ADDRESS)
    job = client.responses.create(input=asked, background=True, model="demo+tokens=3")
    ended(client, job.id)
    with request(penstock.url, f"/jobs/{job.id}") as answer:
        page = answer.read().decode()
    assert f"image/png · {len(picture)} Bytes" in page
    assert ADDRESS in page
    assert "base64," not in page
    assert re.findall(r"<img[^>]*src=\"([^\"]*)", page) == ["/static/icon.svg"]


def test_a_form_of_an_earlier_job_takes_its_images_along(penstock: Stack, client: openai.OpenAI) -> None:
    picture = png()
    asked: Any = message("a picture", url_of(picture))
    job = client.responses.create(input=asked, background=True, model="demo+tokens=3")
    with request(penstock.url, f"/?from={job.id}") as answer:
        assert f'name="images_of" value="{job.id}"' in answer.read().decode()
    form = f"prompt=&request.input=%5B%5Bdemo+echo%5D%5Dit+is+&images_of={job.id}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with request(penstock.url, "/jobs", method="POST", headers=headers, body=form) as answer:
        assert answer.status == 303
        again = answer.headers["Location"].rpartition("/")[2]
    assert ended(client, again).output_text == f"it is {shown(picture)}"


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"image_url": "file:///etc/passwd"}, "http(s) address"),
        ({"image_url": "https://a.example/" + "x" * 9000}, "http(s) address"),
        ({"image_url": "data:image/svg+xml;base64,PHN2Zz4="}, "image/png"),
        ({"image_url": "data:image/png;base64,????"}, "base64"),
        ({"image_url": "data:image/png;base64,R0lGODlh"}, "no image/png"),
        ({"image_url": 7}, "image_url"),
        ({"file_id": "file-1"}, "data: URL"),
        ({}, "image_url"),
    ],
)
def test_an_image_that_cannot_pass_is_refused_by_its_place(penstock: Stack, part: Any, words: str) -> None:
    body = {"input": message("a", {"type": "input_image", **part})}
    status, answer = fetch(penstock.url, "/v1/responses", method="POST", body=json.dumps(body).encode())
    assert status == 400
    assert answer["error"]["param"].startswith("input.0.content.1")
    assert words in answer["error"]["message"]


def test_images_have_limits_of_their_own(penstock: Stack) -> None:
    def answer_to(*parts: str) -> tuple[int, Any]:
        body = json.dumps({"background": True, "model": "demo+tokens=3", "input": message(*parts)}).encode()
        status, answer = fetch(penstock.url, "/v1/responses", method="POST", body=body)
        return status, answer.get("error")

    large = [url_of(png(extra_bytes=size)) for size in (2_400_000, 2_400_000, 400_000)]
    assert answer_to("a", *large[:2])[0] == 200
    status, error = answer_to("a", *large)
    assert (status, error["code"]) == (400, "images_too_large")
    assert "PENSTOCK_MAX_IMAGE_BYTES" in error["message"]
    assert answer_to(*["https://a.example/1.png"] * 65)[1]["code"] == "images_too_large"
    status, error = answer_to("x" * 2_000_000, large[2])
    assert (status, "PENSTOCK_MAX_REQUEST_BYTES" in error["message"]) == (413, True)
    # Refused by its announced length: nothing of it has to come.
    status, answer = fetch(
        penstock.url, "/v1/responses", method="POST", headers={"Content-Length": "9000000"}, body=b""
    )
    assert (status, "PENSTOCK_MAX_IMAGE_BYTES" in answer["error"]["message"]) == (413, True)
