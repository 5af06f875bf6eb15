"""A folder of prompts: the examples, those that the guide shows, and chains of users."""

from __future__ import annotations

import re

from tests.support.up import ROOT

EXAMPLES = ROOT / "examples"
SECRET = "the patient's name"
CHAINS = f'''
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda

ASK = ChatPromptTemplate([("user", "{{topic}}")])


def parsed(model):
    return ASK | model | StrOutputParser()


@RunnableLambda
def broken(values):
    raise KeyError("{SECRET}")


@RunnableLambda
def an_object(values):
    return {{"topic": values["topic"]}}
'''
PROMPT = """
id = "{name}"
version = "1"
runnable = "user_chains:{name}"
title = {{ en = "{name}" }}
description = {{ en = "{name}" }}
inputs = {{ type = "object", required = ["topic"], properties = {{ topic = {{}} }} }}
"""


def guide() -> dict[str, str]:
    """The files that the guide shows, by the name in their first line."""
    text = (ROOT / "docs" / "prompts.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:toml|python)\n# ([\w.]+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == text.count("```toml") + text.count("```python")
    return dict(blocks)
