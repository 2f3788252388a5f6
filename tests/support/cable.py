"""A cable between a service and its server that a test can pull out."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit


class Cable:
    """Forwards TCP connections to `host:port` while it is plugged in."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._plugged = True
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.refused = 0

    async def refusals(self) -> int:
        """How many connections were refused."""
        return self.refused

    def pull(self) -> None:
        """Break every connection, and refuse new ones."""
        self._plugged = False
        for writer in self._writers:
            writer.transport.abort()

    def plug(self) -> None:
        """Let connections through again."""
        self._plugged = True

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._plugged:
            self.refused += 1
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, there_writer}
        try:
            await asyncio.gather(_copy(reader, there_writer), _copy(there_reader, writer))
        finally:
            self._writers -= {writer, there_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def cable_to(url: str) -> AsyncGenerator[tuple[Cable, str]]:
    """A cable to the server of `url`, and the URL that goes through it."""
    parts = urlsplit(url)
    cable = Cable(parts.hostname or "", parts.port or 0)
    server = await asyncio.start_server(cable.forward, "127.0.0.1", 0)
    cable.port = server.sockets[0].getsockname()[1]
    credentials, at, _ = parts.netloc.rpartition("@")
    try:
        yield cable, urlunsplit(parts._replace(netloc=f"{credentials}{at}127.0.0.1:{cable.port}"))
    finally:
        cable.pull()
        server.close()
        await server.wait_closed()
