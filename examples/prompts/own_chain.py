"""A chain of two steps: a draft that nobody sees, and the essay that is made of it, which is streamed."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import Runnable, RunnableLambda

DRAFT = ChatPromptTemplate([MessagesPlaceholder("messages")])
REVISION = {
    "en": ChatPromptTemplate([("user", "Rewrite this essay in shorter sentences, nothing said twice:\n\n{draft}")]),
    "zh": ChatPromptTemplate([("user", "请改写这篇短文，句子更短，不要重复：\n\n{draft}")]),
}


def chain(model: BaseChatModel) -> Runnable[dict[str, Any], str]:
    """The chain, for the model that Penstock gives: the end of a job is then the end of its requests."""
    drafted = {"draft": DRAFT | model | StrOutputParser(), "language": itemgetter("language")}
    revision = RunnableLambda(lambda step: REVISION[step["language"]])
    return drafted | revision | model | StrOutputParser()
