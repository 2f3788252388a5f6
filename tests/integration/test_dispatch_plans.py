"""What resends and repair cost does not grow with what others have: their statements are carried out beside many rows of other agencies."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID, uuid4

import pytest

from services.dispatch.store import circuits, health, resends
from shared.postgres import Connection
from tests.support.dispatch import Bench, bench, circular_dispatched
from tests.support.plans import Plan, carried_out
from tests.support.tokens import TokenIssuer

# So many circulars of others, each to so many agencies.
OTHERS: Final = 300
EACH: Final = 100
# Pages of 8 KiB that one statement may read.
MOST_READ: Final = 400
NOW: Final = datetime(2026, 11, 24, tzinfo=UTC)

Looks = dict[str, tuple[LiteralString, tuple[object, ...]]]

ADD_CIRCULARS: Final = """
INSERT INTO circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, secrecy, lane, dispatched_at, recipient_count)
SELECT gen_random_uuid(), gen_random_uuid(), 'จังหวัด', 'Province', '{}', 'normal', 'normal', $1::timestamptz, $3 FROM generate_series(1, $2::int)
"""

# All of them ended: every other one was handed over, and one in four of the rest by the inbox.
ADD_DELIVERIES: Final = """
INSERT INTO deliveries (delivery_id, recipient_id, circular_id, agency_id, title, position, relay_duty, acknowledgment_link, lane, channel,
    state, attempts, handed_over_at, hand_over_channel, hand_over_grade, failure_reason, failure_detail, failed_at)
SELECT gen_random_uuid(), gen_random_uuid(), c.circular_id, md5(n::text)::uuid, 'นายอำเภอ', n, false, 'link', 'normal', 'webhook',
    CASE WHEN n % 2 = 0 THEN 'handed_over' ELSE 'undeliverable' END, 1,
    CASE WHEN n % 2 = 0 THEN $1::timestamptz + n * interval '1 minute' END,
    CASE WHEN n % 8 = 0 THEN 'inbox' WHEN n % 2 = 0 THEN 'webhook' END, CASE WHEN n % 2 = 0 THEN 'transport' END,
    CASE WHEN n % 2 = 1 THEN 'no_channel' END, CASE WHEN n % 2 = 1 THEN 'gave up' END,
    CASE WHEN n % 2 = 1 THEN $1::timestamptz + n * interval '1 minute' END
FROM circulars c CROSS JOIN generate_series(1, $2::int) AS n
"""

ADD_ATTEMPTS: Final = """
INSERT INTO attempts (delivery_id, number, channel, outcome, reason, started_at, milliseconds, answer, agency_id)
SELECT delivery_id, 1, 'webhook', CASE WHEN state = 'handed_over' THEN 'delivered' ELSE 'refused' END,
    CASE WHEN state = 'undeliverable' THEN 'http_422' END, coalesce(handed_over_at, failed_at), 5, '', agency_id
FROM deliveries
"""

# An order of every other agency, of all its letters; none of them has room before tomorrow.
ADD_RESENDS: Final = """
INSERT INTO resends (resend_id, agency_id, handed_over_from, handed_over_to, why, ordered_by, request_sha256, look_at, runs_until)
SELECT gen_random_uuid(), agency_id, $1::timestamptz, $1::timestamptz, '', 'c', '', now() + interval '1 day', now() + interval '7 days'
FROM deliveries GROUP BY agency_id
"""

ADD_RESEND_DELIVERIES: Final = """
INSERT INTO resend_deliveries (resend_id, delivery_id, agency_id, position, state, next_attempt_at)
SELECT r.resend_id, d.delivery_id, d.agency_id, row_number() OVER (PARTITION BY r.resend_id), 'waiting', now()
FROM resends r JOIN deliveries d ON d.agency_id = r.agency_id
"""

ADD_RESEND_ATTEMPTS: Final = """
INSERT INTO resend_attempts (resend_id, delivery_id, number, agency_id, outcome, started_at, milliseconds, answer)
SELECT resend_id, delivery_id, 1, agency_id, 'delivered', $1::timestamptz + position * interval '1 minute', 5, '' FROM resend_deliveries
"""

TABLES: Final = ("deliveries", "attempts", "circulars", "resends", "resend_deliveries", "resend_attempts")


@pytest.fixture
async def dispatch(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[Bench]:
    async with bench(settings_environment, token_issuer) as opened:
        async with opened.database.connection() as connection:
            await connection.execute(ADD_CIRCULARS, NOW, OTHERS, EACH)
            await connection.execute(ADD_DELIVERIES, NOW, EACH)
            await connection.execute(ADD_ATTEMPTS)
        yield opened


async def reads_little(connection: Connection, looks: Looks, large: frozenset[str]) -> None:
    """Each look finds something, reads no large table from end to end, and few pages."""
    await connection.execute("ANALYZE")
    for name, (statement, values) in looks.items():
        plan: Plan = await carried_out(connection, statement, *values)
        assert not plan.scanned & large, (name, plan)
        assert plan.read < MOST_READ, (name, plan)
        assert plan.rows > 0, (name, plan)


async def large_enough(connection: Connection, *tables: str) -> frozenset[str]:
    """The tables; fails when a bound on pages would be kept by reading one of them whole."""
    for table in tables:
        await connection.execute("ANALYZE")
        pages = await connection.fetchval("SELECT relpages FROM pg_class WHERE oid = $1::text::regclass", table)
        assert pages > MOST_READ, (table, pages)
    return frozenset(tables)


async def test_resends_do_not_read_what_others_have(dispatch: Bench) -> None:
    agency = await dispatch.agency(url="http://127.0.0.1:9/hook")
    for _ in range(3):
        await dispatch.apply(circular_dispatched([agency]))
    async with dispatch.database.connection() as connection:
        await connection.execute(ADD_RESENDS, NOW)
        # Ours is due, and one of its letters is in hand.
        await connection.execute("UPDATE resends SET look_at = now() - interval '1 minute' WHERE agency_id = $1", agency)
        await connection.execute(ADD_RESEND_DELIVERIES)
        await connection.execute(ADD_RESEND_ATTEMPTS, NOW)
        other: UUID = await connection.fetchval("SELECT agency_id FROM attempts WHERE outcome = 'delivered' LIMIT 1")
        ours: UUID = await connection.fetchval("SELECT resend_id FROM resends WHERE agency_id = $1", agency)
        letter: UUID = await connection.fetchval("SELECT delivery_id FROM resend_deliveries WHERE resend_id = $1 LIMIT 1", ours)
        await connection.execute("UPDATE resend_deliveries SET lease_token = $2 WHERE delivery_id = $1", letter, uuid4())
        large = await large_enough(connection, "deliveries", "attempts", "resend_deliveries", "resend_attempts")
        late = NOW + timedelta(days=1)
        looks: Looks = {
            "due orders": (resends.LOCK_DUE, (20,)),
            "lease": (resends.LEASE, (ours, 2, uuid4(), timedelta(minutes=1))),
            "next due": (resends.NEXT_DUE, (ours,)),
            "range": (resends.IN_RANGE, (other, NOW, late, None, None, 21)),
            "further on": (resends.IN_RANGE, (other, NOW, late, NOW + timedelta(minutes=1), UUID(int=0), 21)),
            "counts": (resends.COUNTS, ([ours],)),
            "letters": (resends.ITEMS, (ours, None, 0, 50)),
            "flows": (circuits.FLOWS, ([agency],)),
            "log": (health.ATTEMPTS, (other, None, None, 20)),
        }
        await reads_little(connection, looks, large)
