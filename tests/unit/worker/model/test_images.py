"""Images stand in a message where they were sent, whatever it is joined with."""

from __future__ import annotations

from typing import Any

from tests.support.job_factory import accepted
from worker.model.messages import arranged
from worker.model.request import ModelRequest

ADDRESS = "https://a.example/cat.png"


def asked(**body: Any) -> list[dict[str, Any]]:
    """The messages as a server gets them that takes no system role and no two messages of one role."""
    return arranged(ModelRequest.for_job(accepted(**body)).messages, system_role=False, merged=True)


def image(**options: str) -> dict[str, Any]:
    """A message of one image."""
    return {"role": "user", "content": [{"type": "input_image", "image_url": ADDRESS, **options}]}


def shown(**options: str) -> dict[str, Any]:
    """That image as a chat model is shown it."""
    return {"type": "image_url", "image_url": {"url": ADDRESS, **options}}


def text(words: str) -> dict[str, Any]:
    """Text as a chat model is told it."""
    return {"type": "text", "text": words}


def test_messages_with_images_are_joined_in_parts() -> None:
    messages = asked(instructions="Be brief.", input=[image(detail="low"), {"role": "user", "content": "What is it?"}])
    expected = [text("Be brief."), shown(detail="low"), text("What is it?")]
    assert messages == [{"role": "user", "content": expected}]


def test_a_message_without_images_stays_text() -> None:
    messages = asked(input=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, image()])
    assert [message["content"] for message in messages] == ["a", "b", [shown()]]
