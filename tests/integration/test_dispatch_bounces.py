"""Mails that come back, over a real conversation with the bounce listener."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import aiosmtplib
import pytest

from services.dispatch.app import bounce_listener
from services.dispatch.bounce_listener import BounceListener
from services.dispatch.return_path import ReturnPaths
from shared.access import Scope
from shared.contracts.events import Channel, CircularDispatched, DeliveriesBounced, DeliveriesHandedOver
from shared.postgres import Row
from tests.support.dispatch import (
    Bench,
    bench,
    circular_dispatched,
    mail_notices,
    recipient_registered,
    recipients_reminded,
)
from tests.support.eventually import eventually
from tests.support.receiver import MailSink, mail_sink
from tests.support.tokens import TokenIssuer
from tests.unit.test_dispatch_bounces import NO_MAILBOX, dsn

DOMAIN = "bounces.wian.example.go.th"
FAILED = dsn(NO_MAILBOX)
DELAYED = dsn("Action: delayed\nStatus: 4.4.1\n")
VACATION = b"From: saraban@example.go.th\r\nSubject: away\r\nAuto-Submitted: auto-replied\r\n\r\nReceived, thank you."


@dataclass
class Post:
    """Dispatch, the mail server that it sends by, and its listener."""

    dispatch: Bench
    sink: MailSink
    listener: BounceListener
    circular: CircularDispatched | None = None

    async def hand_over(self) -> CircularDispatched:
        """One letter, handed over by mail."""
        self.circular = circular_dispatched([await self.dispatch.agency(email="saraban@example.go.th")])
        await self.dispatch.apply(self.circular)
        await self.dispatch.deliver_due(channel=Channel.EMAIL)
        assert await self.dispatch.states() == ["handed_over"]
        return self.circular

    @property
    def return_path(self) -> str:
        return self.sink.senders[-1] or ""

    async def bounce(self, raw: bytes, to: str | None = None) -> str:
        """Send `raw` to the return path as a mail server does; returns the answer."""
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=self.listener.port, start_tls=False)
        async with client:
            await client.ehlo()
            await client.execute_command(b"MAIL", b"FROM:<>")
            await client.rcpt(to or self.return_path)
            response = await client.data(raw)
            return f"{response.code} {response.message}"

    async def recorded(self) -> list[Row]:
        async with self.dispatch.database.connection() as connection:
            return await connection.fetch("SELECT * FROM mail_bounces ORDER BY received_at")


@pytest.fixture
async def post(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[Post]:
    async with mail_sink() as sink:
        more = {"dispatch_bounce_domain": DOMAIN, "dispatch_bounce_port": "0", "dispatch_bounce_connections": "3"}
        more |= {"dispatch_bounce_max_bytes": "16384"}
        async with bench(settings_environment, token_issuer, dispatch_smtp_port=str(sink.port), **more) as dispatch:
            listener = bounce_listener(dispatch.settings, dispatch.resources)
            assert listener is not None
            stop = asyncio.Event()
            running = asyncio.create_task(listener.run(stop))
            await listener.started.wait()
            yield Post(dispatch, sink, listener)
            stop.set()
            await running


async def test_a_letter_whose_mail_came_back_goes_on_to_the_inbox_and_its_sender_sees_why(post: Post) -> None:
    circular = await post.hand_over()
    assert (await post.bounce(FAILED)).startswith("250")
    row = await post.dispatch.delivery()
    assert (row["state"], row["channel"], row["handed_over_at"]) == ("scheduled", "inbox", None)
    assert row["next_attempt_at"] == row["step_until"] > datetime.now(UTC) + timedelta(days=1)
    headers = post.dispatch.tokens.headers(circular.sender_agency_id, Scope.CIRCULARS_READ)
    shown = (await post.dispatch.http.get(f"/v1/deliveries/{row['delivery_id']}", headers=headers)).json()
    assert shown["bounce_reason"] == "5.1.1: there is no such mailbox"
    assert shown["bounced_at"] is not None
    assert (shown["state"], shown["handed_over_at"], shown["attempts"]) == ("scheduled", None, 1)
    (told,) = await post.dispatch.events(DeliveriesBounced)
    assert (told["status"], told["attempts"]) == ("5.1.1", 1)
    assert UUID(told["recipient_id"]) == circular.recipients[0].recipient_id
    (kept,) = await post.recorded()
    assert (kept["kind"], kept["took_effect"]) == ("failed", True)
    assert "Recipient address rejected" in kept["diagnostic"]

    agency = circular.recipients[0].agency_id
    pull = post.dispatch.tokens.headers(agency, Scope.DELIVERIES_READ)
    answer = await post.dispatch.http.get(f"/v1/inbox/{row['delivery_id']}", headers=pull)
    assert answer.status_code == 200, answer.text
    assert (await post.dispatch.delivery())["hand_over_channel"] == "inbox"
    assert len(await post.dispatch.events(DeliveriesHandedOver)) == 2


async def test_a_second_copy_a_delay_and_a_vacation_note_change_nothing(post: Post) -> None:
    await post.hand_over()
    before = await post.dispatch.delivery()
    for raw in (DELAYED, VACATION, VACATION, dsn("Action: delivered\nStatus: 2.0.0\n"), b"\xff\x00"):
        assert (await post.bounce(raw)).startswith("250")
    assert await post.dispatch.delivery() == before
    assert sorted(row["kind"] for row in await post.recorded()) == ["auto_reply", "delayed", "other"]
    await post.bounce(FAILED)
    after = await post.dispatch.delivery()
    assert (await post.bounce(FAILED)).startswith("250")
    assert await post.dispatch.delivery() == after
    assert len(await post.dispatch.events(DeliveriesBounced)) == 1
    assert len(await post.recorded()) == 4


async def test_a_letter_that_is_acknowledged_stays_where_it_is(post: Post) -> None:
    circular = await post.hand_over()
    await post.dispatch.apply(recipient_registered(circular))
    await post.bounce(FAILED)
    row = await post.dispatch.delivery()
    assert (row["state"], row["bounced_at"]) == ("handed_over", None)
    assert [kept["took_effect"] for kept in await post.recorded()] == [False]


async def test_a_letter_that_was_fetched_otherwise_stays_where_it_is(post: Post) -> None:
    await post.hand_over()
    async with post.dispatch.database.connection() as connection:
        await connection.execute("UPDATE deliveries SET hand_over_channel = 'inbox', hand_over_grade = 'transport'")
    await post.bounce(FAILED)
    assert await post.dispatch.states() == ["handed_over"]


async def test_a_bounce_that_overtakes_the_record_of_its_mail_is_asked_to_come_again(post: Post) -> None:
    await post.dispatch.apply(circular_dispatched([await post.dispatch.agency(email="saraban@example.go.th")]))
    await post.dispatch.engine.scheduler.run_once()
    delivery_id = (await post.dispatch.delivery())["delivery_id"]
    paths = ReturnPaths(post.dispatch.settings.link_key.get_secret_value(), DOMAIN)
    with pytest.raises(aiosmtplib.SMTPDataError, match="try again later"):
        await post.bounce(FAILED, paths.of(delivery_id))
    assert await post.recorded() == []


async def test_a_reminder_that_came_back_touches_no_letter(post: Post) -> None:
    circular = await post.hand_over()
    before = await post.dispatch.delivery()
    await post.dispatch.apply(recipients_reminded(circular))
    assert await post.dispatch.engine.mail_notifier.run_once() == 1
    for raw in (FAILED, FAILED, VACATION):
        assert (await post.bounce(raw)).startswith("250 2.0.0")
    assert await post.dispatch.delivery() == before
    assert await post.recorded() == []
    assert await post.dispatch.events(DeliveriesBounced) == []
    (notice,) = await mail_notices(post.dispatch)
    assert (notice["state"], notice["bounce_kind"]) == ("sent", "auto_reply")


async def test_what_is_forged_or_unknown_changes_nothing(post: Post) -> None:
    await post.hand_over()
    before = await post.dispatch.delivery()
    forged = ReturnPaths("x" * 43, DOMAIN).of(before["delivery_id"])
    for address in (
        forged,
        "postmaster@wian.example.go.th",
        "bounces@" + DOMAIN,
        post.return_path.replace(DOMAIN, "other.go.th"),
    ):
        with pytest.raises(aiosmtplib.SMTPRecipientRefused) as refused:
            await post.bounce(FAILED, address)
        assert refused.value.code == 550
    key = post.dispatch.settings.link_key.get_secret_value()
    assert (await post.bounce(FAILED, ReturnPaths(key, DOMAIN).of(uuid4()))).startswith("250")
    assert await post.dispatch.delivery() == before
    assert await post.recorded() == []


async def test_the_listener_gives_no_one_more_than_its_limits(post: Post) -> None:
    await post.hand_over()
    with pytest.raises(aiosmtplib.SMTPDataError) as refused:
        await post.bounce(FAILED + b"x\r\n" * 8000)
    assert refused.value.code == 552

    endless_reader, endless = await _talk(post.listener)
    for line in (b"EHLO a\r\n", b"MAIL FROM:<>\r\n", f"RCPT TO:<{post.return_path}>\r\n".encode(), b"DATA\r\n"):
        endless.write(line)
    with pytest.raises(ConnectionError):
        while await endless_reader.readline():
            endless.write(b"x" * 200_000)
    endless.close()

    post.listener.limits = replace(post.listener.limits, seconds=0.4)
    silent = [await _talk(post.listener) for _ in range(3)]
    for reader, _ in silent:
        assert (await reader.readline()).startswith(b"220")
    turned_away, writer = await _talk(post.listener)
    assert (await turned_away.readline()).startswith(b"421")
    for reader, _ in silent:
        assert await reader.read() == b"", "nothing was said, so time ended it"
    for talk in (*silent, (turned_away, writer)):
        talk[1].close()

    async def ended() -> bool:
        return not post.listener.open

    await eventually(ended, bool)
    post.listener.limits = replace(post.listener.limits, seconds=60)
    assert (await post.bounce(FAILED)).startswith("250")


async def _talk(listener: BounceListener) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", listener.port)
