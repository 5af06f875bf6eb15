"""Starlette, as it is usually done: each viewer has a subscription of its own at Redis.

`python -m bench._relay.peers.starlette_app FD REDIS_URL` serves `/sub/CHANNEL` on an inherited socket.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator

import redis.asyncio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


def create_app(redis_url: str) -> Starlette:
    """The application."""
    client = redis.asyncio.from_url(redis_url, max_connections=100_000)

    async def messages(channel: str) -> AsyncIterator[bytes]:
        async with client.pubsub() as subscription:
            await subscription.subscribe(channel)
            yield b": hello\n\n"
            async for message in subscription.listen():
                if message["type"] == "message":
                    yield message["data"]

    async def follow(request: Request) -> StreamingResponse:
        return StreamingResponse(messages(request.path_params["channel"]), media_type="text/event-stream")

    return Starlette(routes=[Route("/sub/{channel}", follow)])


if __name__ == "__main__":
    uvicorn.run(create_app(sys.argv[2]), fd=int(sys.argv[1]), log_level="error")
