"""An agency looks across circulars: its own with their figures, and those of the agencies below it in figures alone."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from services.ack.store import overview
from services.ack.store.overview import Wanted
from shared.contracts.events import AgencySaved
from tests.support.ack import NOW, OpenAck, Sent, circular, handed_over, opened_ack
from tests.support.plans import carried_out
from tests.support.tokens import TokenIssuer

DEADLINE: Final = NOW + timedelta(hours=1)
SECRET: Final = "เรื่องที่กระทรวงไม่ได้รับ"


@pytest.fixture
async def ack(settings_environment: dict[str, str], token_issuer: TokenIssuer) -> AsyncGenerator[OpenAck]:
    async with opened_ack(settings_environment, token_issuer, ack_overview_recipients="100") as opened:
        yield opened


def office(code: str, *, above: AgencySaved | None = None) -> AgencySaved:
    """An agency of the tree."""
    return AgencySaved(
        agency_id=uuid4(),
        version=1,
        code=code,
        name_th=f"หน่วยงาน {code}",
        name_en=code,
        kind="office",
        email=None,
        parent_id=None if above is None else above.agency_id,
    )


def sent_by(agency: AgencySaved, recipients: int, **more: Any) -> Sent:
    """A circular of the agency."""
    return replace(circular(recipients, **more), sender=agency.agency_id)


async def read(ack: OpenAck, agency: AgencySaved, path: str = "", **query: Any) -> dict[str, Any]:
    answer = await ack.http.get(f"/v1/circulars{path}", params=query, headers=ack.headers(agency.agency_id))
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(page: dict[str, Any]) -> list[UUID]:
    return [UUID(item["circular_id"]) for item in page["items"]]


async def test_a_sender_lists_its_own_circulars_newest_first_with_their_figures(ack: OpenAck) -> None:
    ministry, province = office("moi"), office("smk")
    first, second, third = (sent_by(ministry, n, deadline=DEADLINE) for n in (2, 3, 1))
    for day, sent in enumerate((first, second, third, sent_by(province, 4))):
        at = NOW - timedelta(days=3 - day)
        await ack.apply(*(chunk.model_copy(update={"dispatched_at": at}) for chunk in sent.chunks()))
    await ack.apply(handed_over(first, *first.recipients))
    for recipient in (*first.recipients, second.recipients[0]):
        assert (await ack.acknowledge(recipient)).status_code == 200
    page = await read(ack, ministry)
    assert ids(page) == [third.circular_id, second.circular_id, first.circular_id]
    assert page["items"] == [(await ack.read(replace(sent, sender=ministry.agency_id))).json() for sent in (third, second, first)]
    assert [item["registered"] for item in page["items"]] == [0, 1, 2]
    # In pages, none twice and none passed over.
    found, after = [], None
    while True:
        page = await read(ack, ministry, limit=1, **({"after": after} if after else {}))
        found += ids(page)
        if (after := page["next"]) is None:
            break
    assert found == [third.circular_id, second.circular_id, first.circular_id]
    day = (NOW - timedelta(days=2)).date().isoformat()
    assert ids(await read(ack, ministry, since=day, until=day)) == [second.circular_id]
    assert ids(await read(ack, ministry, overdue=True)) == [], "the deadline is not over"
    ack.clock.now = DEADLINE + timedelta(seconds=1)
    assert ids(await read(ack, ministry, overdue=True)) == [third.circular_id, second.circular_id], "the first is complete"
    assert await read(ack, office("else")) == {"items": [], "next": None}


async def test_a_page_ends_where_counting_would_cost_too_much(ack: OpenAck) -> None:
    ministry = office("moi")
    long, short = sent_by(ministry, 150), sent_by(ministry, 2)
    await ack.apply(*(chunk.model_copy(update={"dispatched_at": NOW}) for chunk in long.chunks()))
    await ack.apply(*(chunk.model_copy(update={"dispatched_at": NOW - timedelta(hours=1)}) for chunk in short.chunks()))
    page = await read(ack, ministry)
    assert ids(page) == [long.circular_id] and page["next"] is not None
    assert ids(await read(ack, ministry, after=page["next"])) == [short.circular_id]


async def test_a_ministry_sees_what_goes_on_below_it_in_figures_and_nothing_else(ack: OpenAck) -> None:
    ministry, stranger = office("moi"), office("moph")
    province, quiet = office("moi-smk", above=ministry), office("moi-nan", above=ministry)
    district = office("moi-smk-mueang", above=province)
    elsewhere = office("moph-smk", above=stranger)
    await ack.apply(ministry, stranger, province, quiet, district, elsewhere)
    one, two = sent_by(province, 3, deadline=DEADLINE, subject=SECRET), sent_by(province, 2, subject=SECRET)
    deep, foreign = sent_by(district, 4, deadline=NOW, subject=SECRET), sent_by(elsewhere, 5)
    for sent in (one, two, deep, foreign):
        await ack.apply(*sent.chunks(), handed_over(sent, sent.recipients[0]))
    for sent in (one, two):
        assert (await ack.acknowledge(sent.recipients[0])).status_code == 200
    ack.clock.now = NOW + timedelta(minutes=1)
    page = await read(ack, ministry, "/by-sender")
    shown = ("code", "circulars", "recipients", "handed_over", "registered", "rejected", "outstanding", "overdue")
    assert [tuple(item[name] for name in shown) for item in page["items"]] == [
        ("moi-smk", 2, 5, 2, 2, 0, 3, 0),
        ("moi-smk-mueang", 1, 4, 1, 0, 0, 4, 4),
    ]
    assert page["next"] is None
    told = json.dumps(page, ensure_ascii=False)
    hidden = (SECRET, one.letter.number, *(str(sent.circular_id) for sent in (one, two, deep)), one.recipients[0].title)
    assert not [word for word in hidden if word in told]
    assert [item["code"] for item in (await read(ack, province, "/by-sender"))["items"]] == ["moi-smk-mueang"]
    assert (await read(ack, district, "/by-sender"))["items"] == []
    first = await read(ack, ministry, "/by-sender", limit=1)
    rest = await read(ack, ministry, "/by-sender", limit=1, after=first["next"])
    assert [item["code"] for item in (*first["items"], *rest["items"])] == ["moi-smk", "moi-smk-mueang"]
    assert rest["next"] is None
    # The circulars themselves stay closed.
    assert (await ack.http.get(f"/v1/circulars/{one.circular_id}", headers=ack.headers(ministry.agency_id))).status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"since": "2026-11-02", "until": "2026-11-01"}, "period_invalid"),
        ({"since": "2024-01-01", "until": "2026-11-01"}, "period_invalid"),
        ({"until": "9999-12-31"}, "request_invalid"),
        ({"limit": "51"}, "request_invalid"),
        ({"after": "%%"}, "cursor_invalid"),
    ],
)
async def test_a_period_that_cannot_be_counted_is_refused(ack: OpenAck, query: dict[str, str], code: str) -> None:
    answer = await ack.http.get("/v1/circulars/by-sender", params=query, headers=ack.headers(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_nobody_looks_without_a_token_and_its_scope(ack: OpenAck) -> None:
    for path in ("/v1/circulars", "/v1/circulars/by-sender"):
        assert (await ack.http.get(path)).status_code == 401
        assert (await ack.http.get(path, headers=ack.headers(uuid4(), "letters:read"))).status_code == 403


# A ministry with 76 agencies below it, and 924 of others; each has sent 20 circulars to 5 recipients.
MANY: Final = """
INSERT INTO agencies (agency_id, version, code, name_th, name_en, parent_id)
SELECT gen_random_uuid(), 1, 'a-' || n, '', '', CASE WHEN n <= 76 THEN '{ministry}'::uuid ELSE gen_random_uuid() END
FROM generate_series(1, 1000) n;
INSERT INTO agencies (agency_id, version, code, name_th, name_en) VALUES ('{ministry}', 1, 'moi', '', '');
INSERT INTO circulars (circular_id, sender_agency_id, sender_name_th, sender_name_en, letter, dispatched_at, recipient_count, deadline)
SELECT gen_random_uuid(), a.agency_id, '', '', '{{}}', '{now}'::timestamptz - n * interval '1 day', 5, '{now}'
FROM agencies a, generate_series(1, CASE WHEN a.code = 'moi' THEN 100 ELSE 20 END) n;
INSERT INTO recipients (recipient_id, circular_id, position, agency_id, title, relay_duty)
SELECT gen_random_uuid(), c.circular_id, n, gen_random_uuid(), 'นายอำเภอ', false FROM circulars c, generate_series(1, 5) n;
"""


async def test_looking_across_costs_what_is_shown_however_many_others_there_are(ack: OpenAck) -> None:
    ministry = uuid4()
    async with ack.resources.database.connection() as connection:
        many: Any = MANY.format(ministry=ministry, now=NOW.isoformat())
        await connection.execute(many)
        for table in ("agencies", "circulars", "recipients"):
            await connection.execute(f"VACUUM ANALYZE {table}")
        early, late = NOW - timedelta(days=90), NOW + timedelta(days=1)
        looks: dict[str, tuple[str, tuple[object, ...], int]] = {
            "own": (overview.OWN, (ministry, None, None, None, None, NOW + timedelta(days=1), 20, 200_000), 300),
            "below": (overview.BELOW, (ministry, early, late, None, 20, 200_000, NOW), 8_000),
        }
        for name, (statement, values, most) in looks.items():
            plan = await carried_out(connection, statement, *values)
            assert not plan.scanned & {"circulars", "recipients"}, (name, plan)
            assert plan.rows == 20, name
            assert plan.read < most, (name, plan)
        senders, more = await overview.below(
            connection, ministry, since=early, until=late, now=NOW, after=None, limit=50, most=200_000
        )
        assert (len(senders), more, {sender.recipients for sender in senders}) == (50, True, {100})
        assert len((await overview.own(connection, ministry, Wanted(None, None, None), after=None, limit=50, most=1))[0]) == 1
