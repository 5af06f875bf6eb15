"""A model server whose every token is the time: `@MICROSECONDS@`.

`python -m bench._streams.model TOKENS_A_SECOND SECONDS` prints its base URL, then answers each request with a stream.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"


def _chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    data = f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main(rate: float, seconds: float) -> None:
    """Serve until this process is ended."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_HEAD)
            began = time.monotonic()
            for number in range(int(rate * seconds)):
                await asyncio.sleep(began + number / rate - time.monotonic())
                writer.write(_chunk(f"@{time.monotonic_ns() // 1000}@ "))
                await writer.drain()
            end = b"data: [DONE]\n\n"
            writer.write(_chunk("", "stop") + b"%x\r\n%b\r\n0\r\n\r\n" % (len(end), end))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1000)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), float(sys.argv[2])))
