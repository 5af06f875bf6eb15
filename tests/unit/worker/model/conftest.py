"""The demo model and a worker's parts, for what asks models."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from jobs.settings import Settings
from jobs.transport.queue import Queue
from tests.support.stack import DemoModel
from worker.context import WorkerContext


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoModel]:
    model = DemoModel(tmp_path_factory.mktemp("demo"))
    yield model
    model.close()


@pytest.fixture(scope="module")
def settings(demo: DemoModel) -> Settings:
    """With the demo model's address, where it answers already."""
    with urlopen(f"{demo.url}/models", timeout=30):
        return Settings.load(openai_base_url=demo.url, openai_api_key="demo")


@pytest.fixture(scope="module")
def context(demo: DemoModel, tmp_path_factory: pytest.TempPathFactory) -> WorkerContext:
    data = tmp_path_factory.mktemp("data")
    settings = Settings.load(data=data, openai_base_url=demo.url, openai_api_key="demo")
    return WorkerContext(settings, Queue(settings))
