"""SQL of mails about letters: written with the event, claimed under a lease, ended once; and of the agencies' wishes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.dispatch.bounces import Report
from services.dispatch.mail_notices import Circumstances, DropReason, MailKind, MailNotice
from shared.contracts.events import LetterSummary, Secrecy
from shared.postgres import Connection, Row

# What is known to have no mailbox gets no row. An agency that is not known yet is asked when it is.
ADD: Final = """
INSERT INTO mail_notices (notice_id, kind, circular_id, recipient_id, agency_id, occurred_at, data)
SELECT n.notice_id, n.kind, n.circular_id, n.recipient_id, n.agency_id, n.occurred_at, n.data
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[], $7::jsonb[])
    AS n (notice_id, kind, circular_id, recipient_id, agency_id, occurred_at, data)
LEFT JOIN agencies a ON a.agency_id = n.agency_id
WHERE a.agency_id IS NULL OR a.email IS NOT NULL
ON CONFLICT (notice_id) DO NOTHING
"""

# One whose letter or agency has not come here yet is passed over until it has.
LOCK_DUE: Final = """
SELECT m.notice_id, m.kind, m.circular_id, m.recipient_id, m.agency_id, m.occurred_at, m.data, m.attempts,
    CASE m.kind WHEN 'reminded' THEN coalesce(w.reminders, true) ELSE coalesce(w.answers, true) END AS wanted,
    a.email, a.name_th AS told_th, d.delivery_id, d.agency_id AS recipient_agency_id, d.title, d.acknowledgment_link,
    d.acknowledged_at, d.recalled_at, coalesce(o.name_th, d.title) AS recipient_th, coalesce(o.name_en, d.title) AS recipient_en,
    c.sender_name_th, c.sender_name_en, c.letter, c.secrecy
FROM mail_notices m
JOIN circulars c ON c.circular_id = m.circular_id
JOIN deliveries d ON d.recipient_id = m.recipient_id
JOIN agencies a ON a.agency_id = m.agency_id
LEFT JOIN agencies o ON o.agency_id = d.agency_id
LEFT JOIN mail_wishes w ON w.agency_id = m.agency_id
WHERE m.state = 'waiting' AND m.next_attempt_at <= now()
ORDER BY m.next_attempt_at LIMIT $1 FOR UPDATE OF m SKIP LOCKED
"""

LEASE: Final = """
UPDATE mail_notices SET lease_token = $2, next_attempt_at = now() + $3::interval WHERE notice_id = ANY($1::uuid[])
"""

DROP: Final = """
UPDATE mail_notices SET state = 'dropped', next_attempt_at = NULL, lease_token = NULL, ended_at = now(), reason = given.reason
FROM unnest($1::uuid[], $2::text[]) AS given (notice_id, reason) WHERE mail_notices.notice_id = given.notice_id
"""

# Whose lease is lost changes nothing: it is another's to record, or its own second time.
SENT: Final = """
UPDATE mail_notices SET state = 'sent', next_attempt_at = NULL, lease_token = NULL, ended_at = now(), attempts = attempts + 1,
    reason = NULL, answer = $3
WHERE notice_id = $1 AND lease_token = $2
"""

AGAIN: Final = """
UPDATE mail_notices SET next_attempt_at = $3, lease_token = NULL, attempts = attempts + $4::bigint, reason = $5, answer = $6
WHERE notice_id = $1 AND lease_token = $2
"""

FAILED: Final = """
UPDATE mail_notices SET state = 'failed', next_attempt_at = NULL, lease_token = NULL, ended_at = now(), attempts = attempts + 1,
    reason = $3, answer = $4
WHERE notice_id = $1 AND lease_token = $2
"""

RELEASE: Final = """
UPDATE mail_notices SET lease_token = NULL, next_attempt_at = now() WHERE state = 'waiting' AND lease_token = ANY($1::uuid[])
"""

BOUNCED: Final = """
UPDATE mail_notices SET bounce_kind = $2, bounce_status = $3, bounced_at = $4 WHERE notice_id = $1 RETURNING true
"""

PRUNE_MAILS: Final = """
DELETE FROM mail_notices WHERE notice_id IN (SELECT notice_id FROM mail_notices WHERE created_at < now() - $1::interval LIMIT $2)
"""

GET_WISHES: Final = "SELECT reminders, answers FROM mail_wishes WHERE agency_id = $1"

SET_WISHES: Final = """
INSERT INTO mail_wishes (agency_id, reminders, answers) VALUES ($1, $2, $3)
ON CONFLICT (agency_id) DO UPDATE SET reminders = EXCLUDED.reminders, answers = EXCLUDED.answers, updated_at = now()
"""


@dataclass(frozen=True, slots=True)
class DueMail:
    """A mail whose turn has come, locked, with all that it is written of."""

    notice: MailNotice
    attempts: int
    found: Circumstances
    told_th: str
    delivery_id: UUID
    recipient_agency_id: UUID
    title: str
    acknowledgment_link: str
    recipient_th: str
    recipient_en: str
    sender_name_th: str
    sender_name_en: str
    letter: LetterSummary


@dataclass(frozen=True, slots=True)
class Wishes:
    """Which mails beside letters an agency wants."""

    reminders: bool = True
    answers: bool = True


def _due(row: Row) -> DueMail:
    return DueMail(
        notice=MailNotice(
            row["notice_id"],
            MailKind(row["kind"]),
            row["circular_id"],
            row["recipient_id"],
            row["agency_id"],
            row["occurred_at"],
            row["data"],
        ),
        attempts=row["attempts"],
        found=Circumstances(row["wanted"], row["email"], Secrecy(row["secrecy"]), row["acknowledged_at"], row["recalled_at"]),
        told_th=row["told_th"],
        delivery_id=row["delivery_id"],
        recipient_agency_id=row["recipient_agency_id"],
        title=row["title"],
        acknowledgment_link=row["acknowledgment_link"],
        recipient_th=row["recipient_th"],
        recipient_en=row["recipient_en"],
        sender_name_th=row["sender_name_th"],
        sender_name_en=row["sender_name_en"],
        letter=LetterSummary.model_validate(row["letter"]),
    )


async def add(connection: Connection, notices: Sequence[MailNotice]) -> None:
    """Note what is to be mailed; what was noted before stays as it is."""
    if not notices:
        return
    await connection.execute(
        ADD,
        [one.notice_id for one in notices],
        [one.kind for one in notices],
        [one.circular_id for one in notices],
        [one.recipient_id for one in notices],
        [one.agency_id for one in notices],
        [one.occurred_at for one in notices],
        [one.data for one in notices],
    )


async def lock_due(connection: Connection, most: int) -> list[DueMail]:
    """Up to `most` mails whose turn has come, locked; those that others look at are passed over."""
    return [_due(row) for row in await connection.fetch(LOCK_DUE, most)]


async def lease(connection: Connection, notice_ids: Sequence[UUID], token: UUID, lasting: timedelta) -> None:
    """Hold them while they are sent."""
    await connection.execute(LEASE, list(notice_ids), token, lasting)


async def drop(connection: Connection, dropped: Sequence[tuple[UUID, DropReason]]) -> None:
    """End mails that do not go."""
    await connection.execute(DROP, [notice_id for notice_id, _ in dropped], [reason for _, reason in dropped])


async def sent(connection: Connection, notice_id: UUID, token: UUID, answer: str) -> None:
    await connection.execute(SENT, notice_id, token, answer)


async def again(
    connection: Connection, notice_id: UUID, token: UUID, at: datetime, *, tried: bool, reason: str, answer: str
) -> None:
    await connection.execute(AGAIN, notice_id, token, at, int(tried), reason, answer)


async def failed(connection: Connection, notice_id: UUID, token: UUID, reason: str, answer: str) -> None:
    await connection.execute(FAILED, notice_id, token, reason, answer)


async def release(connection: Connection, tokens: Sequence[UUID]) -> None:
    """Give leases back under which nothing was recorded."""
    await connection.execute(RELEASE, list(tokens))


async def bounced(connection: Connection, notice_id: UUID, report: Report, at: datetime) -> bool:
    """Keep what came back for a mail; False when the mail is none of these."""
    return bool(await connection.fetchval(BOUNCED, notice_id, report.kind, report.status, at))


async def prune(connection: Connection, older_than: timedelta, most: int) -> int:
    """Forget up to `most` old mails; returns how many."""
    return int((await connection.execute(PRUNE_MAILS, older_than, most)).rpartition(" ")[2])


async def get_wishes(connection: Connection, agency_id: UUID) -> Wishes:
    row = await connection.fetchrow(GET_WISHES, agency_id)
    return Wishes() if row is None else Wishes(**dict(row))


async def set_wishes(connection: Connection, agency_id: UUID, wishes: Wishes) -> None:
    await connection.execute(SET_WISHES, agency_id, wishes.reminders, wishes.answers)
