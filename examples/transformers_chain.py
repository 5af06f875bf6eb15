"""A chain without a model server: a model of Hugging Face's `transformers` that runs in the worker itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Event
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableGenerator
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer

MODEL = "Qwen/Qwen2.5-0.5B-Instruct"
MAX_NEW_TOKENS = 300


@cache
def load() -> tuple[Any, Any]:
    """The tokenizer and the model; the first job waits for them."""
    return AutoTokenizer.from_pretrained(MODEL), AutoModelForCausalLM.from_pretrained(MODEL)


def generate(inputs: Iterator[dict[str, Any]]) -> Iterator[AIMessageChunk]:
    """The answer to the messages, as it is written; its last chunk says why it ended and what it took.

    Closing the iterator, as Penstock does when the job is cancelled, ends the model's work at its next token.
    """
    tokenizer, model = load()
    messages = next(inputs)["messages"]
    asked = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True, return_tensors="pt")
    streamer, stop = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True), Event()

    def write() -> Any:
        halt = [lambda *_, **__: stop.is_set()]
        try:
            return model.generate(**asked, max_new_tokens=MAX_NEW_TOKENS, streamer=streamer, stopping_criteria=halt)
        finally:
            streamer.end()  # an error must not leave the reader waiting

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        try:
            yield from (AIMessageChunk(content=text) for text in streamer)
        finally:
            stop.set()
    yield _last_chunk(asked["input_ids"][0], writing.result()[0], model)


def _last_chunk(asked: Any, whole: Any, model: Any) -> AIMessageChunk:
    ends = model.generation_config.eos_token_id
    ended = int(whole[-1]) in (ends if isinstance(ends, list) else [ends])
    usage = {"input_tokens": len(asked), "output_tokens": len(whole) - len(asked), "total_tokens": len(whole)}
    # Without a reason the text would pass for whole even where the limit cut it off.
    return AIMessageChunk(
        content="", response_metadata={"finish_reason": "stop" if ended else "length"}, usage_metadata=usage
    )


chain = RunnableGenerator(generate)
