"""What an acknowledgment is worth."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from uuid import UUID

import pytest

from services.ack.decide import (
    Accepted,
    Conflict,
    Draft,
    Invalid,
    LetterFacts,
    Notice,
    RegistrationDraft,
    RejectionDraft,
    SameAgain,
    decide_acknowledgment,
)
from services.ack.facts import Confirmed, Door, Level, Received, Registration, Rejection, RejectionReason, new_event
from services.ack.fold import RecipientState, fold
from services.ack.problems import BY_CODE, CATALOGUE

LETTER_DATE = date(2026, 11, 16)
NOW = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)
DRAFT = RegistrationDraft("๑๑๐๗๒", "2026-11-23", "09:30", "สมหญิง รักงาน", "", "งานสารบรรณ")
REFUSAL = RejectionDraft("misaddressed", "ผิดหน่วยงาน", "วิชัย มั่นคง", "")
UNANSWERED = RecipientState()
RECIPIENT = UUID(int=7)
CONTENT_HASH = "ab" * 32


def decide(draft: Draft, state: RecipientState = UNANSWERED, now: datetime = NOW) -> object:
    return decide_acknowledgment(state, draft, letter=LetterFacts(LETTER_DATE, CONTENT_HASH), now=now, door=Door.API)


def answered(draft: Draft) -> RecipientState:
    decision = decide(draft)
    assert isinstance(decision, Accepted)
    return fold([new_event(RECIPIENT, decision.fact, occurred_at=NOW, recorded_at=NOW, actor="a", door=Door.API)])


def codes(decision: object) -> list[tuple[str, str]]:
    assert isinstance(decision, Invalid)
    return [(error.pointer, error.code) for error in decision.errors]


def test_a_number_is_kept_as_written_and_compared_normalised() -> None:
    decision = decide(replace(DRAFT, receive_number=" สค ๑๒๓/๖๙ "))
    assert decision == Accepted(Registration("สค ๑๒๓/๖๙", date(2026, 11, 23), time(9, 30), "สมหญิง รักงาน", None, "งานสารบรรณ"))
    assert isinstance(decision, Accepted)
    assert isinstance(decision.fact, Registration)
    assert decision.fact.normalised_number == "สค 123/69"


@pytest.mark.parametrize("number", ["11072", "๑๑๐๗๒", " 11072\u200b"])
def test_the_same_number_again_is_the_same_acknowledgment(number: str) -> None:
    again = replace(DRAFT, receive_number=number, registrar_name="สมชาย ใจดี", receive_time="")
    assert decide(again, answered(DRAFT)) == SameAgain()


@pytest.mark.parametrize("other", [replace(DRAFT, receive_number="11073"), replace(DRAFT, receive_date="2026-11-22"), REFUSAL])
def test_anything_else_is_a_conflict(other: Draft) -> None:
    assert isinstance(decide(other, answered(DRAFT)), Conflict)


def test_a_refusal_again_for_the_same_reason_is_the_same() -> None:
    assert decide(replace(REFUSAL, text="อธิบายใหม่"), answered(REFUSAL)) == SameAgain()
    assert isinstance(decide(replace(REFUSAL, reason="duplicate"), answered(REFUSAL)), Conflict)
    assert isinstance(decide(DRAFT, answered(REFUSAL)), Conflict)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "   ",
        "1" * 51,
        "เลขรับ",
        "12\n3",
        "12\t3",
        "12\x003",
        "1\u202e23",
        "1\u200e23",
        "1\u20283",
        "\ud80012",
        "<b>12</b>",
        "12>",
    ],
)
def test_what_is_no_receive_number_is_refused(number: str) -> None:
    assert codes(decide(replace(DRAFT, receive_number=number))) == [("/receive_number", "receive_number_invalid")]


@pytest.mark.parametrize("day", ["", "2026-11-24", "2026-11-15", "2026-02-30", "23/11/2026", "๑๕ พฤศจิกายน ๒๕๖๙"])
def test_a_day_in_the_future_or_before_the_letter_is_refused(day: str) -> None:
    assert codes(decide(replace(DRAFT, receive_date=day))) == [("/receive_date", "receive_date_invalid")]


@pytest.mark.parametrize("day", ["2026-11-16", "2026-11-23", "๒๓ พฤศจิกายน ๒๕๖๙", "23 พ.ย. 69"])
def test_a_day_may_be_written_in_the_thai_way(day: str) -> None:
    assert isinstance(decide(replace(DRAFT, receive_date=day)), Accepted)


def test_today_is_today_in_bangkok() -> None:
    tomorrow = replace(DRAFT, receive_date="2026-11-24", receive_time="")
    assert isinstance(decide(tomorrow, now=datetime(2026, 11, 23, 16, 59, tzinfo=UTC)), Invalid)
    assert isinstance(decide(tomorrow, now=datetime(2026, 11, 23, 17, 0, tzinfo=UTC)), Accepted)


@pytest.mark.parametrize(
    ("written", "read"), [("", None), ("9:05", time(9, 5)), ("๑๔.๓๐ น.", time(14, 30)), ("23:59:30", time(23, 59))]
)
def test_a_time_of_day_is_read(written: str, read: time | None) -> None:
    decision = decide(replace(DRAFT, receive_date="2026-11-22", receive_time=written))
    assert isinstance(decision, Accepted)
    assert isinstance(decision.fact, Registration)
    assert decision.fact.receive_time == read


@pytest.mark.parametrize("written", ["24:00", "9:60", "noon", "930"])
def test_what_is_no_time_of_day_is_refused(written: str) -> None:
    assert codes(decide(replace(DRAFT, receive_time=written))) == [("/receive_time", "receive_time_invalid")]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("registrar_name", ""),
        ("registrar_name", " "),
        ("registrar_name", "ก" * 201),
        ("registrar_name", "สม\u202eหญิง"),
        ("registrar_position", "ก\nข"),
        ("unit", "ก\x07"),
    ],
)
def test_names_are_required_short_and_visible(field: str, text: str) -> None:
    assert codes(decide(replace(DRAFT, **{field: text}))) == [(f"/{field}", "registrar_invalid")]


def test_every_wrong_field_is_named_at_once() -> None:
    decision = decide(RegistrationDraft("", "", "x", "", "", ""))
    pointers = [pointer for pointer, _ in codes(decision)]
    assert pointers == ["/receive_number", "/receive_date", "/receive_time", "/registrar_name"]


def test_a_refusal_says_why() -> None:
    assert decide(REFUSAL) == Accepted(Rejection(RejectionReason.MISADDRESSED, "ผิดหน่วยงาน", "วิชัย มั่นคง", None))
    assert codes(decide(replace(REFUSAL, reason="bored"))) == [("/reason", "rejection_invalid")]
    assert codes(decide(replace(REFUSAL, reason="other", text=" "))) == [("/text", "rejection_invalid")]
    assert codes(decide(replace(REFUSAL, text="ก" * 1001))) == [("/text", "rejection_invalid")]
    assert codes(decide(replace(REFUSAL, text="ก\u202eข"))) == [("/text", "rejection_invalid")]
    assert isinstance(decide(replace(REFUSAL, text="บรรทัดแรก\nบรรทัดที่สอง")), Accepted)


def test_the_catalogue_is_found_by_code() -> None:
    assert len(BY_CODE) == len(CATALOGUE)


def test_each_desk_has_a_number_of_its_own() -> None:
    central = answered(DRAFT)
    division = replace(DRAFT, receive_number="๕๕", unit="กองช่าง", level="division")
    decision = decide(division, central)
    assert isinstance(decision, Accepted)
    assert isinstance(decision.fact, Registration)
    assert decision.fact.level is Level.DIVISION
    assert codes(decide(replace(division, unit=""))) == [("/unit", "level_invalid")]
    assert codes(decide(replace(DRAFT, level="attic"))) == [("/level", "level_invalid")]


def test_an_answer_by_another_door_is_evidence() -> None:
    state = answered(DRAFT)
    letter = LetterFacts(LETTER_DATE, CONTENT_HASH)
    by_link = decide_acknowledgment(state, DRAFT, letter=letter, now=NOW, door=Door.LINK)
    assert state.answer_id is not None
    assert by_link == SameAgain(Confirmed(state.answer_id))


def test_what_was_registered_is_the_letter_that_was_sent() -> None:
    assert isinstance(decide(replace(DRAFT, content_hash=CONTENT_HASH.upper())), Accepted)
    assert codes(decide(replace(DRAFT, content_hash="cd" * 32))) == [("/content_hash", "content_hash_differs")]


def test_a_time_that_is_still_to_come_is_refused() -> None:
    assert isinstance(decide(replace(DRAFT, receive_time="11:35")), Accepted)
    assert codes(decide(replace(DRAFT, receive_time="11:36"))) == [("/receive_time", "receive_time_invalid")]


def test_a_notice_says_what_is_not_known_yet() -> None:
    assert decide(Notice.RECEIVED) == Accepted(Received())
    assert decide(Notice.OPENED, answered(DRAFT)) == SameAgain()
