"""The virus scanner: clamd, asked over its socket (its manual's INSTREAM), so that it needs no way to the files."""

import asyncio
import re
from typing import BinaryIO, Final, Protocol

import structlog
from clamav_client.clamd import BufferTooLongError, ClamdError, ClamdNetworkSocket, ClamdUnixSocket

from services.registry.problems import attachments as problems
from shared.problems import ProblemError

_TCP: Final = re.compile(r"^tcp://(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):(\d{1,5})$")
_UNIX: Final = re.compile(r"^unix://(/.+)$")
RETRY_AFTER: Final = 30

log = structlog.stdlib.get_logger(__name__)


class Scanner(Protocol):
    """Says whether a file may be passed on."""

    async def check(self, file: BinaryIO) -> None:
        """Raises ProblemError `attachment_infected`, or `attachment_not_scanned` when it cannot say."""
        ...


class ClamdScanner:
    """clamd at ``unix:///run/clamav/clamd.ctl`` or ``tcp://host:3310``; each call waits at most `timeout` seconds for its socket."""

    def __init__(self, url: str, timeout: int) -> None:
        parse_address(url)
        self._url = url
        self._timeout = timeout

    async def check(self, file: BinaryIO) -> None:
        """Raises ProblemError `attachment_infected`, or `attachment_not_scanned` when the scanner is away or cannot say."""
        try:
            found = await asyncio.to_thread(self._scan, file)
        except BufferTooLongError as error:
            log.error("the scanner takes smaller files than the registry: raise StreamMaxLength in clamd.conf")
            raise ProblemError(problems.ATTACHMENT_TOO_LARGE, "the virus scanner takes no file of this size") from error
        # The scanner's socket fails as sockets do.
        except (ClamdError, OSError) as error:
            # clamd hangs up on a file that is larger than it takes, often before it has said why.
            log.warning("not scanned; is StreamMaxLength at least the largest attachment?", error=repr(error)[:300])
            raise ProblemError(problems.ATTACHMENT_NOT_SCANNED, retry_after=RETRY_AFTER) from error
        if found is not None:
            log.warning("infected file refused", signature=found)
            raise ProblemError(problems.ATTACHMENT_INFECTED, f"found: {found}")

    def _scan(self, file: BinaryIO) -> str | None:
        address = parse_address(self._url)
        socket = (
            ClamdUnixSocket(address, self._timeout) if isinstance(address, str) else ClamdNetworkSocket(*address, self._timeout)
        )
        verdicts = socket.instream(file)
        for status, detail in verdicts.values():
            if status == "FOUND":
                return detail or "unnamed"
            if status == "OK":
                return None
        raise ClamdError(f"no verdict: {list(verdicts.values())}"[:300])


def parse_address(url: str) -> str | tuple[str, int]:
    """The path of a Unix socket, or host and port. Raises ValueError."""
    if match := _UNIX.match(url):
        return match[1]
    match = _TCP.match(url)
    if match is None or not 1 <= int(match[2]) <= 65_535:
        raise ValueError("write unix:///path or tcp://host:port")
    return match[1].strip("[]"), int(match[2])
