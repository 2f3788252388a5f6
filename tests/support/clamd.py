"""A scanner that speaks clamd's INSTREAM and knows one virus: the EICAR test file."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

# Written in two parts, so that no scanner takes this file for an infected one.
EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-" + b"STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


@dataclass(slots=True)
class ClamdStandIn:
    """Where it listens, and the sizes of what it has scanned; `mute` makes it close without an answer."""

    url: str
    scanned: list[int]
    mute: bool = False

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(10) in {b"nINSTREAM\n", b"zINSTREAM\0"}
        content = bytearray()
        while size := int.from_bytes(await reader.readexactly(4), "big"):
            content += await reader.readexactly(size)
        self.scanned.append(len(content))
        if not self.mute:
            writer.write(b"stream: Eicar-Signature FOUND\n" if EICAR in content else b"stream: OK\n")
            await writer.drain()
        writer.close()


@asynccontextmanager
async def clamd_stand_in(folder: Path) -> AsyncGenerator[ClamdStandIn]:
    """A stand-in on a Unix socket in `folder` until the block ends."""
    path = folder / "clamd.ctl"
    standing = ClamdStandIn(f"unix://{path}", [])
    server = await asyncio.start_unix_server(standing.answer, path)
    async with server:
        yield standing
