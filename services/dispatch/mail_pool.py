"""Connections to the mail server, kept between mails and between batches: as many as there are slots, closed when idle."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal, assert_never

import aiosmtplib
import structlog

# Some servers end a conversation that never ends; we do it first, between two mails.
MAILS_PER_CONNECTION: Final = 100
FAILURES: Final = (aiosmtplib.SMTPException, OSError, TimeoutError)

TlsMode = Literal["auto", "starttls", "tls", "none"]

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom; `timeout` in seconds for each answer."""

    host: str
    port: int
    tls: TlsMode
    username: str | None
    password: str | None
    timeout: float


class ConnectError(Exception):
    """The mail server was not reached, or did not let us in; `cause` says how."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(repr(cause))
        self.cause = cause


@dataclass(slots=True, eq=False)
class _Kept:
    client: aiosmtplib.SMTP
    mails: int = 0
    closing: asyncio.TimerHandle | None = None


class MailPool:
    """Whoever uses it holds a slot of its own, so there are never more connections than slots."""

    def __init__(self, server: MailServer, *, idle: float) -> None:
        self.server = server
        self._idle_seconds = idle
        self._idle: list[_Kept] = []
        self._goodbyes: set[asyncio.Task[None]] = set()
        self.in_use = 0

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[aiosmtplib.SMTP]:
        """A connection that is greeted and reset, for one mail; raises ConnectError.

        It is kept for the next mail unless the block ends in an exception.
        """
        kept = await self._reset_idle() or _Kept(await self._connect())
        self.in_use += 1
        try:
            yield kept.client
        except BaseException:
            kept.client.close()
            raise
        finally:
            self.in_use -= 1
        kept.mails += 1
        self._keep(kept)

    async def close(self) -> None:
        while self._idle:
            self._say_goodbye(self._idle.pop())
        await asyncio.gather(*self._goodbyes)

    async def _reset_idle(self) -> _Kept | None:
        """One that was kept and still answers; those that are dead are forgotten, and no mail fails by them."""
        while self._idle:
            kept = self._idle.pop()
            if kept.closing is not None:
                kept.closing.cancel()
            if not kept.client.is_connected:
                kept.client.close()
                continue
            try:
                await kept.client.rset()
            except FAILURES as error:
                log.info("mail server had closed a connection", error=repr(error))
                kept.client.close()
            except BaseException:
                kept.client.close()
                raise
            else:
                return kept
        return None

    async def _connect(self) -> aiosmtplib.SMTP:
        server = self.server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            timeout=server.timeout,
            use_tls=server.tls == "tls",
            start_tls=start_tls(server.tls),
            username=server.username,
            password=server.password,
        )
        try:
            await client.connect()
            if client.is_ehlo_or_helo_needed:
                # What the server offers (SIZE, SMTPUTF8, DSN) is read before the first mail.
                await client.ehlo()
        except aiosmtplib.SMTPHeloError:
            # An old server: sendmail says HELO.
            return client
        except FAILURES as error:
            client.close()
            raise ConnectError(error) from error
        except BaseException:
            client.close()
            raise
        return client

    def _keep(self, kept: _Kept) -> None:
        if not kept.client.is_connected:
            kept.client.close()
        elif kept.mails >= MAILS_PER_CONNECTION:
            self._say_goodbye(kept)
        else:
            self._idle.append(kept)
            kept.closing = asyncio.get_running_loop().call_later(self._idle_seconds, self._end_idle, kept)

    def _end_idle(self, kept: _Kept) -> None:
        self._idle.remove(kept)
        self._say_goodbye(kept)

    def _say_goodbye(self, kept: _Kept) -> None:
        if kept.closing is not None:
            kept.closing.cancel()
        task = asyncio.create_task(_quit(kept.client))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        if client.is_connected:
            await client.quit()
    except FAILURES as error:
        log.info("mail server was gone before the goodbye", error=repr(error))
    finally:
        client.close()


def start_tls(mode: TlsMode) -> bool | None:
    """Aiosmtplib's reading of our setting: None upgrades when the server offers it."""
    match mode:
        case "auto":
            return None
        case "starttls":
            return True
        case "tls" | "none":
            return False
        case _:
            assert_never(mode)
