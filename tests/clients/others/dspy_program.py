"""What a program does with DSPy, whose models speak through LiteLLM, by either API."""

from __future__ import annotations

import os
from typing import Any

import dspy  # type: ignore[import-not-found]  # its pins are not the project's
from parts import PICTURE, main  # type: ignore[import-not-found]


def model(**options: Any) -> Any:
    """A model without a cache."""
    address, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    return dspy.LM("openai/demo+rate=0", api_base=address, api_key=key, cache=False, num_retries=0, **options)


def answers() -> dict[str, Any]:
    """One question, one answer; of the other API as well."""
    ways = [model()("hello [[demo tokens=10]]"), model(model_type="responses")("hello [[demo tokens=10]]")]
    texts = [way[0] if isinstance(way[0], str) else way[0]["text"] for way in ways]
    return {"text": texts[0] if len(set(texts)) == 1 else ""}


def parses() -> dict[str, Any]:
    """The outputs of a signature, by their types; the question holds the answer, and the model says it again."""
    question = "[[demo echo]]\n\n[[ ## name ## ]]\nParis\n\n[[ ## people ## ]]\n3\n\n[[ ## completed ## ]]\n"
    with dspy.context(lm=model()):
        said = dspy.Predict("question -> name: str, people: int")(question=question)
    return {"name": said.name, "people": said.people}


def sees_images() -> dict[str, Any]:
    """A question about an image."""
    parts = [{"type": "text", "text": "[[demo echo]]a "}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    return {"text": model()(messages=[{"role": "user", "content": parts}])[0]}


def fails() -> None:
    """A model that breaks down."""
    model()("hello [[demo error=5]]")


if __name__ == "__main__":
    main(globals())
