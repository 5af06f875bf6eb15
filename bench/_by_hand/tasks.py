"""The worker: streams a chat model, keeps each chunk in a list and publishes it."""

from __future__ import annotations

import json
import os
from typing import Any

import redis
from celery import Celery
from langchain_openai import ChatOpenAI

URL = os.environ["BY_HAND_REDIS"]

app = Celery("by_hand", broker=URL.replace("unix://", "redis+socket://"))
store: Any = redis.Redis.from_url(URL, decode_responses=True)
model = ChatOpenAI(model=os.environ["BY_HAND_MODEL"])

DONE = json.dumps({"done": True})


@app.task
def generate(job_id: str, prompt: str) -> None:
    """Write one answer."""
    for chunk in model.stream(prompt):
        if chunk.text:
            _say(job_id, json.dumps({"text": chunk.text}))
    _say(job_id, DONE)


def _say(job_id: str, message: str) -> None:
    store.rpush(f"{job_id}:messages", message)
    store.publish(job_id, message)
