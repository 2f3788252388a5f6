"""Letters on paper: a clerk of the sender lists, prints and records them; nobody else sees or moves them."""

import asyncio
import csv
import io
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import segno
from pypdf import PdfReader

from services.dispatch import sheets
from services.dispatch.store import circulars, paper
from shared.access import Scope
from shared.codes import acknowledgment_code
from shared.contracts.events import DeliveriesHandedOver, DeliveriesUndeliverable, LetterSummary, Role, Secrecy
from shared.thai.dates import bangkok_date
from tests.support.dispatch import Bench, circular_dispatched, letter

HOSTILE = '=HYPERLINK("http://x") #read("/etc/passwd") $x$ <b> */'


@dataclass(frozen=True, slots=True)
class OnPaper:
    """A circular whose deliveries all wait for the sender's clerk."""

    dispatch: Bench
    sender: UUID
    circular_id: UUID
    delivery_ids: list[UUID]
    clerk: dict[str, str]

    async def get(self, path: str = "", **query: Any) -> httpx.Response:
        return await self.dispatch.http.get(f"/v1/paper{path}", params=query, headers=self.clerk)

    async def say(self, what: str, body: dict[str, Any], index: int = 0) -> httpx.Response:
        path = f"/v1/paper/{self.delivery_ids[index]}/{what}"
        return await self.dispatch.http.post(path, json=body, headers=self.clerk)


async def on_paper(dispatch: Bench, count: int = 1, *, content: LetterSummary | None = None, title: str | None = None) -> OnPaper:
    """Nobody pulled the circular, and its deadline is far."""
    sender = uuid4()
    agencies = [await dispatch.agency() for _ in range(count)]
    circular = circular_dispatched(agencies, sender=sender, content=content)
    if title is not None:
        renamed = tuple(recipient.model_copy(update={"title": title}) for recipient in circular.recipients)
        circular = circular.model_copy(update={"recipients": renamed})
    await dispatch.apply(circular)
    async with dispatch.database.connection() as connection:
        await connection.execute("UPDATE deliveries SET next_attempt_at = now() WHERE circular_id = $1", circular.circular_id)
    await dispatch.engine.scheduler.run_once()
    found = [row for row in await dispatch.deliveries() if row["circular_id"] == circular.circular_id]
    assert {row["channel"] for row in found} == {"paper"}
    headers = dispatch.tokens.headers(sender, Scope.LETTERS_WRITE, Scope.CIRCULARS_READ)
    return OnPaper(dispatch, sender, circular.circular_id, [row["delivery_id"] for row in found], headers)


def sent_today() -> dict[str, Any]:
    return {"sent_on": bangkok_date(datetime.now(UTC)).isoformat(), "how": "post", "reference": "EB123456789TH"}


def text_of(pdf: bytes) -> str:
    """The text without white space; joined Thai glyphs cannot be read back, digits and ASCII can."""
    return re.sub(r"\s", "", "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))


async def test_a_clerk_lists_pages_of_what_waits_and_records_it_as_sent(dispatch: Bench) -> None:
    work = await on_paper(dispatch, 3)
    await on_paper(dispatch, 1)  # another agency's
    first = (await work.get(limit=2)).json()
    rest = (await work.get(limit=2, after=first["next"])).json()
    items = first["items"] + rest["items"]
    assert (rest["next"], [item["delivery_id"] for item in items]) == (None, [str(one) for one in sorted(work.delivery_ids)])
    assert items[0]["number"] == "สค ๐๐๑๗.๑/ว ๑๕๑๒๓"
    assert items[0]["agency_name_th"] == "ที่ว่าการอำเภอ"
    assert (await work.get(circular_id=work.circular_id)).json()["items"] == items
    assert (await work.get(circular_id=uuid4())).json()["items"] == []

    answers = await asyncio.gather(*(work.say("sent", sent_today()) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert {answer.text for answer in answers} == {answers[0].text}
    (event,) = await dispatch.events(DeliveriesHandedOver)
    assert (event["channel"], event["grade"], event["attempts"]) == ("paper", "blind", 1)
    row = next(row for row in await dispatch.deliveries() if row["delivery_id"] == work.delivery_ids[0])
    assert (row["state"], row["attempts"], row["channel_attempts"]) == ("handed_over", 1, 1)
    log = (await dispatch.http.get(f"/v1/deliveries/{work.delivery_ids[0]}/attempts", headers=work.clerk)).json()["items"]
    assert [(one["channel"], one["outcome"], one["made_by"]) for one in log] == [("paper", "delivered", "clerk")]
    assert len((await work.get()).json()["items"]) == 2
    otherwise = await work.say("sent", {**sent_today(), "how": "messenger"})
    assert (otherwise.status_code, otherwise.json()["code"]) == (409, "paper_recorded_otherwise")


async def test_paper_that_does_not_arrive_ends_the_delivery_and_may_be_sent_again(dispatch: Bench) -> None:
    work = await on_paper(dispatch)
    failed = {"reason": "address_unknown", "note": "ย้ายที่ตั้ง"}
    answers = [await work.say("failed", failed) for _ in range(2)]
    assert answers[0].text == answers[1].text
    (failure,) = await dispatch.events(DeliveriesUndeliverable)
    assert failure["reason"] == "paper_failed"
    assert "address_unknown" in failure["detail"]
    assert await dispatch.states() == ["undeliverable"]
    assert (await work.say("failed", {"reason": "lost"})).json()["code"] == "paper_recorded_otherwise"
    assert (await work.say("sent", {**sent_today(), "how": "messenger"})).status_code == 200
    assert await dispatch.states() == ["handed_over"]
    assert [row["outcome"] for row in await dispatch.attempts()] == ["refused", "delivered"]


async def test_a_letter_whose_wait_is_over_may_still_be_recorded(dispatch: Bench) -> None:
    work = await on_paper(dispatch)
    await dispatch.make_due()
    await dispatch.engine.scheduler.run_once()
    assert await dispatch.states() == ["undeliverable"]
    assert (await work.say("sent", sent_today())).status_code == 200
    assert await dispatch.states() == ["handed_over"]


async def test_what_does_not_wait_on_paper_is_not_recorded(dispatch: Bench) -> None:
    sender = uuid4()
    await dispatch.apply(circular_dispatched([await dispatch.agency()], sender=sender))
    delivery_id = (await dispatch.delivery())["delivery_id"]
    clerk = dispatch.tokens.headers(sender, Scope.LETTERS_WRITE, Scope.CIRCULARS_READ)
    path = f"/v1/paper/{delivery_id}"
    for answer in (
        await dispatch.http.post(f"{path}/sent", json=sent_today(), headers=clerk),
        await dispatch.http.post(f"{path}/failed", json={"reason": "lost"}, headers=clerk),
        await dispatch.http.get(f"{path}/cover", headers=clerk),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "paper_not_waiting")
    assert (await dispatch.delivery())["channel"] == "inbox"
    assert await dispatch.attempts() == []


async def test_a_record_that_cannot_be_is_refused(dispatch: Bench) -> None:
    work = await on_paper(dispatch)
    today = bangkok_date(datetime.now(UTC))
    for day in (today + timedelta(days=1), today - timedelta(days=2)):
        answer = await work.say("sent", {**sent_today(), "sent_on": day.isoformat()})
        assert (answer.status_code, answer.json()["code"]) == (422, "sent_on_invalid")
    for body in (
        {**sent_today(), "how": "pigeon"},
        {**sent_today(), "reference": "a\x00b"},
        {**sent_today(), "reference": "x" * 201},
        {**sent_today(), "more": 1},
    ):
        assert (await work.say("sent", body)).status_code == 422
    assert (await work.say("failed", {"reason": "bored"})).status_code == 422
    assert await dispatch.states() == ["scheduled"]


async def test_another_agency_finds_nothing_and_the_recipient_neither(dispatch: Bench) -> None:
    work = await on_paper(dispatch)
    recipient = (await dispatch.delivery())["agency_id"]
    (delivery_id,) = work.delivery_ids
    for agency in (uuid4(), recipient):
        headers = dispatch.tokens.headers(agency, Scope.LETTERS_WRITE, Scope.CIRCULARS_READ, Scope.DELIVERIES_READ)
        for path in (f"{delivery_id}/cover", f"sheet?circular_id={work.circular_id}", f"sheet?circular_id={uuid4()}"):
            assert (await dispatch.http.get(f"/v1/paper/{path}", headers=headers)).status_code == 404, path
        for path, body in ((f"{delivery_id}/sent", sent_today()), (f"{delivery_id}/failed", {"reason": "lost"})):
            assert (await dispatch.http.post(f"/v1/paper/{path}", json=body, headers=headers)).status_code == 404, path
        assert (await dispatch.http.get("/v1/paper", headers=headers)).json()["items"] == []
    assert (await dispatch.delivery())["state"] == "scheduled"
    reader = dispatch.tokens.headers(work.sender, Scope.CIRCULARS_READ)
    refused = await dispatch.http.post(f"/v1/paper/{delivery_id}/sent", json=sent_today(), headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


async def test_the_cover_sheet_is_one_page_with_the_code_and_where_to_type_it(dispatch: Bench) -> None:
    work = await on_paper(
        dispatch, title=HOSTILE + "นายอำเภอ" * 150, content=letter().model_copy(update={"subject": "เรื่องยาว " * 100})
    )
    answer = await work.get(f"/{work.delivery_ids[0]}/cover")
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(PdfReader(io.BytesIO(answer.content)).pages) == 1
    shown = text_of(answer.content)
    settings = dispatch.settings
    code = acknowledgment_code(settings.link_key.get_secret_value(), (await dispatch.delivery())["recipient_id"])
    for expected in (code, f"{settings.public_url}/a", "๐๐๑๗.๑/", "๑๕๑๒๓", "๒๕๖๐", '#read("/etc/passwd")'):
        assert expected in shown, expected


async def test_a_secret_letters_sheets_tell_neither_subject_nor_enclosures(dispatch: Bench) -> None:
    secret = letter(secrecy=Secrecy.SECRET).model_copy(update={"subject": "must not be seen"})
    work = await on_paper(dispatch, content=secret)
    async with dispatch.database.connection() as connection:
        delivery = await paper.get(connection, work.delivery_ids[0], work.sender)
        content = (await circulars.get_circulars(connection, [work.circular_id]))[work.circular_id]
    assert delivery is not None
    now = datetime.now(UTC)
    cover = sheets.cover_data(sheets.Cover(delivery, content, "CODE", "http://x/a", now))
    listed = sheets.list_data(sheets.WorkList(content, [delivery], now))
    assert (cover["subject"], cover["enclosures"], listed["subject"]) == (sheets.WITHHELD_SUBJECT, "", sheets.WITHHELD_SUBJECT)
    copied = replace(delivery, address=replace(delivery.address, role=Role.COPY))
    copy = sheets.cover_data(sheets.Cover(copied, content, "CODE", "http://x/a", now))
    assert copy["to"] == f"{delivery.address.title} (สำเนาส่ง)"
    picture = io.BytesIO()
    segno.make_qr(f"http://x/a/{delivery.address.acknowledgment_link}", error="m").save(picture, kind="svg", border=0)
    assert copy["qr"] == picture.getvalue().decode(), "the letter's own page"
    for path in (f"/{work.delivery_ids[0]}/cover", f"/sheet?circular_id={work.circular_id}"):
        assert "mustnotbeseen" not in text_of((await dispatch.http.get(f"/v1/paper{path}", headers=work.clerk)).content)


async def test_the_clerks_list_has_what_waits_in_list_order(dispatch: Bench) -> None:
    work = await on_paper(dispatch, 60, title=HOSTILE)
    await work.say("sent", sent_today(), index=1)
    printed = await work.get("/sheet", circular_id=work.circular_id)
    assert printed.headers["Content-Type"] == "application/pdf"
    assert text_of(printed.content).count('#read("/etc/passwd")') == 59
    table = await work.get("/sheet", circular_id=work.circular_id, form="csv")
    assert table.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(table.text.removeprefix("\ufeff"))))
    assert [int(row["position"]) for row in rows] == [1, *range(3, 61)]
    assert {row["title"] for row in rows} == {f"'{HOSTILE}"}
