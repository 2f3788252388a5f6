"""The sink: takes every request with 204 and little work, for measuring what sends, not what receives.

It reads no more of HTTP/1.1 than where a request ends, keeps nothing but a count, and knows no other answer.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Final

_ANSWER: Final = b"HTTP/1.1 204 No Content\r\n\r\n"
_REFUSAL: Final = b"HTTP/1.1 411 Length Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_HEAD_END: Final = b"\r\n\r\n"
_LONGEST_HEAD: Final = 65_536
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n", re.IGNORECASE)


@dataclass(slots=True)
class Count:
    """How many requests went into the sink."""

    requests: int = 0


class Sink(asyncio.Protocol):
    """One connection; requests may come in pieces, or several in one piece."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._head = b""
        self._body_left = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport), "TCP"  # noqa: S101
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        while data:
            if self._body_left == 0:
                data = self._read_head(data)
            taken = min(self._body_left, len(data))
            self._body_left -= taken
            data = data[taken:]
            if self._body_left == 0 and not self._head:
                self._answer(_ANSWER)

    def _read_head(self, data: bytes) -> bytes:
        """What follows the head; the head is kept until it is whole."""
        head = self._head + data
        end = head.find(_HEAD_END)
        if end < 0:
            self._head = head
            if len(head) > _LONGEST_HEAD:
                self._refuse()
            return b""
        length = _LENGTH.search(head, 0, end + 2)
        if length is None:
            self._refuse()
            return b""
        self._head, self._body_left = b"", int(length[1])
        return head[end + len(_HEAD_END) :]

    def _answer(self, answer: bytes) -> None:
        self._count.requests += 1
        if self._transport is not None:
            self._transport.write(answer)

    def _refuse(self) -> None:
        # What is kept is no head any more: nothing else on this connection is answered.
        self._head = b"refused"
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(_REFUSAL)
            self._transport.close()
