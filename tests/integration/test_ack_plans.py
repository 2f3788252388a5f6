"""What a sender looks at costs what it shows, however many recipients of other circulars lie in the table."""

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final, LiteralString
from uuid import UUID, uuid4

import pytest

from services.ack.store import calendars, circulars, recipients
from tests.support.ack import NOW, OpenAck, circular, opened_ack
from tests.support.plans import carried_out
from tests.support.tokens import TokenIssuer

OTHERS: Final = 200
EACH: Final = 500
LONG: Final = 10_000

# Circulars of others, with recipients in every state.
ADD_CIRCULARS: Final = """
INSERT INTO circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, dispatched_at, recipient_count)
SELECT gen_random_uuid(), gen_random_uuid(), 'จังหวัด', 'Province', letter, dispatched_at, $2
FROM circulars, generate_series(1, $1::bigint)
"""

ADD_RECIPIENTS: Final = """
INSERT INTO recipients (recipient_id, circular_id, position, agency_id, title, relay_duty, state, recalled_at, recall_reason,
    receive_number, receive_date, registrar_name, recorded_at, rejection_reason, dispute_text, handed_over_at)
SELECT gen_random_uuid(), c.circular_id, n, CASE WHEN n % 100 = 0 THEN $2 ELSE gen_random_uuid() END, 'หน่วยงานที่ ' || n, n % 100 = 7,
    (ARRAY['awaiting', 'handed_over', 'registered', 'registered', 'rejected', 'recalled'])[1 + n % 6],
    CASE WHEN n % 6 = 5 THEN $3::timestamptz END, CASE WHEN n % 6 = 5 THEN 'ผิด' END, '๑', $3::timestamptz::date, 'สมหญิง',
    $3::timestamptz + n * interval '1 minute', 'other', CASE WHEN n % 500 = 3 THEN 'เลขไม่ตรง' END, $3::timestamptz
FROM circulars c, LATERAL generate_series(1, CASE WHEN c.circular_id = $1 THEN $4::bigint ELSE $5::bigint END) AS n
"""

# Pages of 8 KiB for a page of 100 rows with the names of their agencies; the whole table has some 5,000.
MOST_READ: Final = 1_500


# What was declared in years, and looked at long ago.
ADD_CHANGES: Final = """
WITH added AS (
    INSERT INTO calendar_changes (change_id, agency_id, day, kind, below, reason, declared_by, actor, recorded_at)
    SELECT gen_random_uuid(), gen_random_uuid(), current_date, 'closed', false, 'น้ำท่วม', gen_random_uuid(), 'test', now()
    FROM generate_series(1, $1::bigint)
    RETURNING change_id
)
INSERT INTO calendar_work (change_id, done_at) SELECT change_id, CASE WHEN row_number() OVER () > 3 THEN now() END FROM added
"""


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer) as opened:
        yield opened


async def test_figures_and_pages_of_a_circular_do_not_read_those_of_others(ack: OpenAck) -> None:
    sent, agency_id = circular(1), uuid4()
    await ack.apply(*sent.chunks())
    async with ack.resources.database.connection() as connection:
        await connection.execute("DELETE FROM recipients")
        await connection.execute(ADD_CIRCULARS, OTHERS, EACH)
        await connection.execute(ADD_RECIPIENTS, sent.circular_id, agency_id, NOW, LONG, EACH)
        await connection.execute("UPDATE recipients SET due_at = $1 WHERE agency_id = $2", NOW, agency_id)
        await connection.execute("UPDATE recipients SET redirected_to = recipient_id WHERE position % 100 = 7")
        # The figures are counted from an index alone, which a vacuum makes possible.
        await connection.execute("VACUUM ANALYZE recipients")
        pages = await connection.fetchval("SELECT relpages FROM pg_class WHERE oid = 'recipients'::regclass")
        assert pages > 2 * MOST_READ, "a bound that the whole table would keep says nothing"
        ours, late = sent.circular_id, NOW + timedelta(minutes=9_000)
        looks: dict[str, tuple[LiteralString, tuple[object, ...]]] = {
            "matrix": (circulars.MATRIX, ([ours],)),
            "relaying": (circulars.RELAYING, ([ours],)),
            "own deadlines": (circulars.OWN_DEADLINES, ([ours],)),
            "open of agencies": (calendars.OPEN_OF_AGENCIES, ([agency_id], UUID(int=0), UUID(int=0), 100)),
            "open": (calendars.OPEN, (UUID(int=0), UUID(int=0), 100)),
            "page": (recipients.PAGE, (ours, 5_000, None, 100)),
            "missing": (recipients.MISSING, (ours, 5_000, 100)),
            "late": (recipients.LATE, (ours, 5_000, 100, late, NOW + timedelta(days=90))),
            "disputed": (recipients.DISPUTED, (ours, 0, 100)),
            "unanswered": (recipients.UNANSWERED_BY, (agency_id, UUID(int=0), 100)),
        }
        for name, (statement, values) in looks.items():
            plan = await carried_out(connection, statement, *values)
            assert "recipients" not in plan.scanned, (name, plan)
            assert plan.read < MOST_READ, (name, plan)
            assert plan.rows > 0, name


async def test_what_was_declared_long_ago_costs_the_rescheduler_nothing(ack: OpenAck) -> None:
    async with ack.resources.database.connection() as connection:
        await connection.execute(ADD_CHANGES, 20_000)
        await connection.execute("VACUUM ANALYZE calendar_work, calendar_changes")
        for statement in (calendars.CLAIM, calendars.WAITING_SINCE):
            plan = await carried_out(connection, statement)
            assert (plan.rows, plan.scanned) == (1, frozenset())
            assert plan.read < 50, plan
