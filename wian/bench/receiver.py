"""The other side of the benchmarks, a process of its own: answers at once, after five seconds, or never, by the path's first part.

HTTP/1.1 by hand over asyncio's protocols, for the benchmark's own needs: the less the receiver costs, the more of the machine
is left for what is measured.
"""

import asyncio
import sys
from typing import Final

SLOW_SECONDS: Final = 5.0
OK: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
# The CloudEvents handshake, by which an endpoint says that it wants to be sent to.
WELCOME: Final = b"HTTP/1.1 200 OK\r\nWebHook-Allowed-Origin: *\r\nWebHook-Allowed-Rate: *\r\nContent-Length: 0\r\n\r\n"


class Endpoint(asyncio.Protocol):
    """One connection: requests with Content-Length, one after the other."""

    def __init__(self) -> None:
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - told to the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            at = head.lower().find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - told to the type checker
        if head.startswith(b"OPTIONS"):
            self._transport.write(WELCOME)
        elif head.startswith(b"POST /slow"):
            asyncio.get_running_loop().call_later(SLOW_SECONDS, self._transport.write, OK)
        elif not head.startswith(b"POST /dead"):
            self._transport.write(OK)


async def main(ports: list[int]) -> None:
    """Listen until killed."""
    loop = asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(Endpoint, "127.0.0.1", port, backlog=4096)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main([int(port) for port in sys.argv[1:]]))
