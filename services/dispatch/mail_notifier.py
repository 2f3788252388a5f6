"""The mail notifier: mails reminders, and what was answered in an agency's name, each under a claim of its own.

It shares the limits of domains with letters and has connections of its own, so that reminders never make a letter wait. A crash
between the mail server's answer and its record sends one mail again, with the same Message-ID.
"""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import aiosmtplib
import structlog
from opentelemetry import metrics

from services.dispatch.delivery.send import dice, outcome_name
from services.dispatch.in_hand import InHand, recorded
from services.dispatch.mail import NEEDS_SMTPUTF8, Identity, can_write_to, outcome_of, transmit, unreachable
from services.dispatch.mail_limits import SHORTEST_DEFERRAL, Domains
from services.dispatch.mail_notices import Again, DropReason, Failed, MailKind, Sent, decide, why_not
from services.dispatch.mail_pool import FAILURES, ConnectError, MailPool
from services.dispatch.notice_message import compose
from services.dispatch.outcomes import Deferred, Outcome, RetryLater
from services.dispatch.store import mail_notices
from services.dispatch.store.mail_notices import DueMail
from shared.mailboxes import domain_of, in_ascii_domain
from shared.postgres import Database

# What is written down after a mail must be so before another may send it.
RECORD_MARGIN: Final = 2.0

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.dispatch")
_mails = _meter.create_counter(
    "wian.dispatch.mail_notices", unit="{mail}", description="Mails beside letters, by kind and by what came of them."
)


@dataclass(frozen=True, slots=True)
class MailPace:
    """How many at a time, how long one is held, the seconds before each retry, and what goes at all."""

    concurrency: int
    lease: timedelta
    schedule: tuple[float, ...]
    poll_interval: float
    switched_on: Collection[MailKind]
    email_secret_letters: bool


@dataclass(frozen=True, slots=True)
class _Held:
    mail: DueMail
    token: UUID


class MailNotifier:
    """Several may run: each claims what the others do not hold."""

    name = "dispatch mail notifier"

    def __init__(self, database: Database, pool: MailPool, identity: Identity, domains: Domains, pace: MailPace) -> None:
        self._database = database
        self._pool = pool
        self._identity = identity
        self._domains = domains
        self._pace = pace
        self._in_hand = InHand("mails beside letters", self._release)

    async def run(self, stop: asyncio.Event) -> None:
        await self._in_hand.run(self._begin, stop, poll_interval=self._pace.poll_interval)

    async def run_once(self) -> int:
        """Look at as many as may be under way, and wait until they are sent; returns how many were looked at."""
        looked = await self._begin()
        await self._in_hand.all_ended()
        return looked

    async def _begin(self) -> int:
        if len(self._in_hand) >= self._pace.concurrency:
            await self._in_hand.one_ended()
        looked, held = await self._claim(self._pace.concurrency - len(self._in_hand))
        for one in held:
            self._in_hand.add(self._deliver(one), one.token)
        return looked

    async def _claim(self, most: int) -> tuple[int, list[_Held]]:
        """How many mails' turn had come, and those of them that go, each held under a lease."""
        async with self._database.transaction() as connection:
            due = await mail_notices.lock_due(connection, most)
            now = datetime.now(UTC)
            dropped: list[tuple[DueMail, DropReason]] = []
            going: list[DueMail] = []
            for one in due:
                reason = why_not(
                    one.notice,
                    one.found,
                    self._pace.switched_on,
                    email_secret_letters=self._pace.email_secret_letters,
                    now=now,
                )
                if reason is None:
                    going.append(one)
                else:
                    dropped.append((one, reason))
            if dropped:
                await mail_notices.drop(connection, [(one.notice.notice_id, reason) for one, reason in dropped])
            token = uuid4()
            if going:
                await mail_notices.lease(connection, [one.notice.notice_id for one in going], token, self._pace.lease)
        for one, reason in dropped:
            _mails.add(1, {"kind": one.notice.kind, "outcome": reason})
        return len(due), [_Held(one, token) for one in going]

    async def _deliver(self, held: _Held) -> None:
        mail = held.mail
        try:
            # Not beyond the lease: then another sends it.
            async with asyncio.timeout(self._pace.lease.total_seconds() - RECORD_MARGIN):
                outcome = await self._send(mail)
        except TimeoutError as error:
            outcome = unreachable(error)
        except Exception:
            # The edge of one mail: a mistake of ours with it must not stop the others.
            log.exception("sending a mail beside letters failed", notice_id=str(mail.notice.notice_id))
            outcome = RetryLater("internal_error")
        name = outcome_name(outcome)
        _mails.add(1, {"kind": mail.notice.kind, "outcome": name})
        log.info(
            "mail notice",
            notice_id=str(mail.notice.notice_id),
            kind=mail.notice.kind,
            agency_id=str(mail.notice.agency_id),
            outcome=name,
            reason=getattr(outcome, "reason", None),
            status=getattr(outcome, "status", None),
        )
        lease = self._pace.lease.total_seconds()
        await recorded(lambda: self._record(held, outcome), within=lease, notice_id=str(mail.notice.notice_id))

    async def _send(self, mail: DueMail) -> Outcome:
        mailbox = mail.found.email
        if mailbox is None:
            raise RuntimeError("a mail without a mailbox is dropped before")
        domain, to = domain_of(mailbox), in_ascii_domain(mailbox)
        after = await self._domains.enter(domain)
        if after is not None:
            return Deferred("the limit of mails to this domain is reached", after)
        begun = time.monotonic()
        try:
            message = await asyncio.to_thread(self._written, mail, to)
            async with self._pool.connection() as client:
                if not can_write_to(client, to):
                    return NEEDS_SMTPUTF8
                try:
                    return await transmit(client, self._identity, mail.notice.notice_id, to, message)
                except (
                    aiosmtplib.SMTPSenderRefused,
                    aiosmtplib.SMTPDataError,
                    aiosmtplib.SMTPRecipientsRefused,
                ) as error:
                    return outcome_of(error)
        except ConnectError as error:
            if self._pool.in_use:
                # It talks to us, and lets no more in: fewer connections than the setting says.
                return Deferred("the mail server takes no more connections", SHORTEST_DEFERRAL)
            return unreachable(error.cause)
        except FAILURES as error:
            return outcome_of(error)
        finally:
            self._domains.leave(domain, time.monotonic() - begun)

    def _written(self, mail: DueMail, to: str) -> bytes:
        identity = self._identity
        message = compose(mail, to=to, sender=identity.sender, public_url=identity.public_url, now=datetime.now(UTC))
        return message if identity.signer is None else identity.signer.sign(message)

    async def _record(self, held: _Held, outcome: Outcome) -> None:
        """Tried twice, the second finds the lease gone."""
        notice_id = held.mail.notice.notice_id
        reason: str = getattr(outcome, "reason", "")
        answer: str = getattr(outcome, "answer", "")
        async with self._database.connection() as connection:
            match decide(outcome, held.mail.attempts, self._pace.schedule, datetime.now(UTC), dice()):
                case Sent():
                    await mail_notices.sent(connection, notice_id, held.token, answer)
                case Again(at=at, tried=tried):
                    await mail_notices.again(connection, notice_id, held.token, at, tried=tried, reason=reason, answer=answer)
                case Failed():
                    await mail_notices.failed(connection, notice_id, held.token, reason, answer)

    async def _release(self, tokens: list[UUID]) -> None:
        async with self._database.connection() as connection:
            await mail_notices.release(connection, tokens)
