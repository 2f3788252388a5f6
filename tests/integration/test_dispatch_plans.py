"""What resends and repair cost does not grow with what others have: their statements are carried out beside many rows of other agencies."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID, uuid4

import pytest

from services.dispatch.causes import symptoms_of
from services.dispatch.resends import MOST_RESENT
from services.dispatch.store import circuits, dead_letters, health, limits, repair, resend_leases, resends
from services.dispatch.store.dead_letters import WantedDead
from services.dispatch.store.repair import Wanted
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

# As full as an order can be, and sent but for the few that it had before.
FILL_RESEND: Final = """
INSERT INTO resend_deliveries (resend_id, delivery_id, agency_id, position, state, settled_at)
SELECT $1, delivery_id, agency_id, 100 + row_number() OVER (), 'sent', now() FROM deliveries WHERE agency_id <> $2 LIMIT $3
"""

ADD_RESEND_ATTEMPTS: Final = """
INSERT INTO resend_attempts (resend_id, delivery_id, number, agency_id, outcome, started_at, milliseconds, answer)
SELECT resend_id, delivery_id, 1, agency_id, 'delivered', $1::timestamptz + position * interval '1 minute', 5, '' FROM resend_deliveries
"""

ADD_AGENCIES: Final = """
WITH added AS (
    INSERT INTO agencies (agency_id, version, code, name_th, name_en, kind)
    SELECT gen_random_uuid(), 1, n::text, repeat('ที่ว่าการอำเภอ', 4), 'District Office', 'district' FROM generate_series(1, 30000) AS n
    RETURNING agency_id
)
INSERT INTO circuits (agency_id) SELECT agency_id FROM added
"""

ADD_LIMIT_CHANGES: Final = """
INSERT INTO limit_changes (limit_change_id, agency_id, max_in_flight, changed_by, why)
SELECT gen_random_uuid(), agency_id, 1, 'op', repeat('ช้า', 10) FROM circuits
"""

# Whatever has not ended has failed of something of ours.
FAIL: Final = """
WITH failed AS (
    UPDATE deliveries SET state = 'undeliverable', next_attempt_at = NULL, attempts = 1, failure_reason = 'no_channel',
        failure_detail = 'gave up', failed_at = $1
    WHERE state = 'scheduled' RETURNING delivery_id, agency_id
)
INSERT INTO attempts (delivery_id, number, channel, outcome, reason, started_at, milliseconds, answer, agency_id)
SELECT delivery_id, 1, 'webhook', 'retry_later', 'internal_error', $1, 5, '', agency_id FROM failed
"""

# One in two thousand is kept, and as many are discarded.
ADD_DEAD_LETTERS: Final = """
INSERT INTO dead_letters (dead_letter_id, message_id, type, queue, exchange, routing_key, reason, headers, body, body_sha256,
    first_died_at, state, settled_at, settled_by, settled_why)
SELECT gen_random_uuid(), n::text, 'test.event.v1', 'ack.events', 'events', 'test.event.v1', 'rejected', '{}', '{}', sha256(n::text::bytea),
    $1::timestamptz + n * interval '1 second', one.state, CASE WHEN one.state <> 'kept' THEN $1::timestamptz END,
    CASE WHEN one.state <> 'kept' THEN 'op' END, CASE WHEN one.state <> 'kept' THEN 'enough' END
FROM generate_series(1, 20000) AS n
CROSS JOIN LATERAL (SELECT CASE WHEN n % 2000 = 0 THEN 'kept' WHEN n % 1999 = 0 THEN 'discarded' ELSE 'redriven' END AS state) one
"""


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
    plans: dict[str, Plan] = {
        name: await carried_out(connection, statement, *values) for name, (statement, values) in looks.items()
    }
    costly = {name: plan for name, plan in plans.items() if plan.scanned & large or plan.read >= MOST_READ}
    assert not costly
    assert [name for name, plan in plans.items() if not plan.rows] == []


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
        await connection.execute(FILL_RESEND, ours, agency, MOST_RESENT - 3)
        large = await large_enough(connection, "deliveries", "attempts", "resend_deliveries", "resend_attempts")
        late = NOW + timedelta(days=1)
        looks: Looks = {
            "due orders": (resend_leases.LOCK_DUE, (20,)),
            "lease": (resend_leases.LEASE, (ours, 2, uuid4(), timedelta(minutes=1))),
            "next due": (resend_leases.NEXT_DUE, (ours,)),
            "range": (resends.IN_RANGE, (other, NOW, late, None, None, 21)),
            "further on": (resends.IN_RANGE, (other, NOW, late, NOW + timedelta(minutes=1), UUID(int=0), 21)),
            "counts": (resends.COUNTS, ([ours],)),
            "letters": (resends.ITEMS, (ours, None, 0, 50)),
            "flows": (circuits.FLOWS, ([agency],)),
            "log": (health.ATTEMPTS, (other, None, None, 20)),
        }
        await reads_little(connection, looks, large)


async def test_repair_of_one_agency_or_circular_does_not_read_what_others_have(dispatch: Bench) -> None:
    sender = uuid4()
    for agencies in ([uuid4(), uuid4()], [uuid4()]):
        await dispatch.apply(circular_dispatched(agencies, sender=sender))
    async with dispatch.database.connection() as connection:
        await connection.execute(FAIL, NOW)
        # Years of what has arrived everywhere.
        await connection.execute(ADD_CIRCULARS, NOW, 30_000, 0)
        await connection.execute(
            "UPDATE deliveries SET failed_at = $1 FROM circulars c WHERE c.sender_agency_id = $2 AND c.circular_id = deliveries.circular_id",
            NOW,
            sender,
        )
        rows = await connection.fetch(
            "SELECT d.circular_id, d.agency_id FROM deliveries d JOIN circulars c USING (circular_id) WHERE c.sender_agency_id = $1",
            sender,
        )
        circular, recipient = rows[0]["circular_id"], rows[0]["agency_id"]
        large = await large_enough(connection, "deliveries", "attempts", "circulars")
        asked = {
            "circular": Wanted(circular_id=circular),
            "own circular": Wanted(sender_agency_id=sender, circular_id=circular),
            "sender": Wanted(sender_agency_id=sender),
            "sender, cause": Wanted(sender_agency_id=sender, symptoms=symptoms_of("platform_error", None)),
            "recipient": Wanted(recipient_agency_id=recipient),
            "recipient of a sender": Wanted(sender_agency_id=sender, recipient_agency_id=recipient),
            "sender, since": Wanted(sender_agency_id=sender, since=NOW - timedelta(days=1)),
        }
        looks: Looks = {}
        for name, wanted in asked.items():
            looks[f"list {name}"] = repair.LIST, (*wanted.values, None, None, 50)
            looks[f"count {name}"] = repair.COUNT, wanted.values
            looks[f"totals {name}"] = repair.TOTALS, wanted.values
            looks[f"pick {name}"] = repair.PICK, (*wanted.values, 50)
        looks["list all"] = repair.LIST, (*Wanted().values, None, None, 50)
        looks["list all, further on"] = repair.LIST, (*Wanted().values, NOW + timedelta(hours=1), UUID(int=0), 50)
        await reads_little(connection, looks, large)


async def test_dead_letters_that_were_settled_are_not_read_for_those_that_are_kept(dispatch: Bench) -> None:
    async with dispatch.database.connection() as connection:
        await connection.execute(ADD_DEAD_LETTERS, NOW)
        large = await large_enough(connection, "dead_letters")
        kept, by_queue = WantedDead(), WantedDead(queue="ack.events", since=NOW, before=NOW + timedelta(days=365))
        looks: Looks = {
            "list": (dead_letters.LIST, (*kept.values, None, 50)),
            "list of a queue": (dead_letters.LIST, (*by_queue.values, None, 50)),
            "count": (dead_letters.COUNT, by_queue.values),
            "count kept": (dead_letters.COUNT_KEPT, ()),
            "list discarded": (dead_letters.LIST, (*WantedDead("discarded").values, None, 50)),
        }
        await reads_little(connection, looks, large)
        discarding = await carried_out(connection, dead_letters.DISCARD_MANY, *by_queue.values, 5, "op", "enough")
        assert not discarding.scanned, discarding
        assert discarding.read < MOST_READ, discarding
        assert await dead_letters.count(connection, by_queue) == 5


async def test_agencies_with_limits_are_found_among_all(dispatch: Bench) -> None:
    agency = await dispatch.agency()
    async with dispatch.database.connection() as connection:
        await connection.execute(ADD_AGENCIES)
        await limits.set_operators(connection, agency, 4, None, "op", "slow")
        await connection.execute(ADD_LIMIT_CHANGES)
        large = await large_enough(connection, "agencies", "limit_changes")
        looks: Looks = {
            "limited": (limits.LIMITED, (None, 50)),
            "one": (limits.OF_AGENCY, (agency,)),
            "changes": (limits.CHANGES, (agency, None, 50)),
        }
        await reads_little(connection, looks, large | {"circuits"})
