"""The eCMS vocabulary: there and back, nothing is lost, and nothing is guessed."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ack import ecms
from services.ack.ecms import Cause, Classification, LetterKey, Message, Report, Section, UntranslatableError
from services.ack.facts import Attestation, Disputed, Level, Medium, Opened, Received, Registration, Rejection, RejectionReason
from services.ack.fold import State
from shared.contracts.events import Secrecy, Speed

TABLE = Path(__file__).parents[2] / "docs" / "acknowledgments" / "ecms.md"
ANSWERS = {UUID(int=1): "๑๑๐๗๒", UUID(int=2): "สก 7/2569", UUID(int=3): "5", UUID(int=4): "๕"}

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
maybe = st.none() | words
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
attestations = st.none() | st.builds(Attestation, st.sampled_from(Medium), words)
letters = st.builds(LetterKey, words, st.dates(), words, words)
# Numbers that a round of answers can have: what canonical JSON writes exactly.
turns = st.integers(0, 2**53 - 1)
registrations = st.builds(
    Registration, words, st.dates(), st.none() | st.times(), words, maybe, maybe, st.sampled_from(Level), attestations, turns
)
rejections = st.builds(Rejection, st.sampled_from(RejectionReason), words, words, maybe, maybe, attestations, turns)
disputes = st.builds(Disputed, st.uuids(), st.sampled_from(sorted(ANSWERS)) | st.uuids(), words)
numbers = st.sampled_from([*ANSWERS.values(), "11072", "999"]) | words
reports = st.builds(Report, letters, moments, st.just(Received()) | registrations | rejections) | st.builds(
    Report, letters, moments, disputes, numbers
)
bare = st.builds(
    Message, st.sampled_from([section for section in Section if section not in ecms.NUMBERED]), letters, moments
) | st.builds(Message, st.just(Section.ACCEPT_LETTER), letters, moments, words)
bare_disputes = st.builds(
    Message, st.just(Section.INVALID_ACCEPT_ID), letters, moments, st.sampled_from(["11072", "๑๑๐๗๒", "สก ๗/๒๕๖๙"])
)


@given(reports)
def test_what_we_say_comes_back_as_it_was(report: Report) -> None:
    assert ecms.from_ecms(ecms.to_ecms(report, ANSWERS), ANSWERS) == report


@given(bare | bare_disputes)
def test_what_ecms_says_comes_back_as_it_was(message: Message) -> None:
    assert ecms.to_ecms(ecms.from_ecms(message, ANSWERS), ANSWERS) == message


@given(
    bare,
    st.text(max_size=60)
    | st.sampled_from(["{}", "[]", "null", '{"turn": 1}', '{"turn":0}', '{"turn":"1"}', '{"turn":9007199254740993}', '{"x":1}']),
)
def test_what_stands_beside_is_read_exactly_or_refused(message: Message, beside: str) -> None:
    try:
        report = ecms.from_ecms(replace(message, beside=beside))
    except UntranslatableError as error:
        assert error.cause is Cause.BESIDE_INVALID
    else:
        assert ecms.to_ecms(report).beside == beside


def test_a_peer_that_knows_ecms_alone_is_understood() -> None:
    letter = LetterKey("สค ๐๐๑๗.๑/ว ๑๕๑๒๓", date(2017, 11, 9), "การพัฒนางานบริการประชาชน", "อำเภอกระทุ่มแบน")
    at = datetime(2017, 11, 9, 18, 0, tzinfo=UTC)  # already the 10th in Bangkok
    accepted = ecms.from_ecms(Message(Section.ACCEPT_LETTER, letter, at, "๑๑๐๗๒")).fact
    assert accepted == Registration("๑๑๐๗๒", date(2017, 11, 10), None, "อำเภอกระทุ่มแบน", None, None)
    misaddressed = ecms.from_ecms(Message(Section.INVALID_LETTER, letter, at)).fact
    assert misaddressed == Rejection(RejectionReason.MISADDRESSED, "", "อำเภอกระทุ่มแบน", None)
    disputed = Message(Section.INVALID_ACCEPT_ID, letter, at, "11072")
    doubt = ecms.from_ecms(disputed, ANSWERS).fact
    assert isinstance(doubt, Disputed)
    assert doubt.answer_id == UUID(int=1), "the number is found however its digits are written"
    assert ecms.from_ecms(disputed, ANSWERS).fact == doubt, "the same dispute that comes twice is one"


def test_what_ecms_has_no_field_for_stands_beside_and_nothing_else() -> None:
    letter = LetterKey("1", date(2026, 1, 1), "เรื่อง", "อำเภอ")
    at = datetime(2026, 1, 2, tzinfo=UTC)
    given_by_us = Registration("๑๑๐๗๒", date(2026, 1, 2), time(9, 30), "สมหญิง", None, None)
    message = ecms.to_ecms(Report(letter, at, given_by_us))
    assert message == Message(Section.ACCEPT_LETTER, letter, at, "๑๑๐๗๒", '{"receive_time":"09:30:00","registrar_name":"สมหญิง"}')


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        (Message(Section.ACCEPT_LETTER, LetterKey("", date.min, "", ""), datetime.now(UTC)), Cause.ACCEPT_ID_MISPLACED),
        (Message(Section.REJECT_LETTER, LetterKey("", date.min, "", ""), datetime.now(UTC), "1"), Cause.ACCEPT_ID_MISPLACED),
        (Message(Section.INVALID_ACCEPT_ID, LetterKey("", date.min, "", ""), datetime.now(UTC), "404"), Cause.ACCEPT_ID_UNKNOWN),
        # Two answers have this number: which is meant cannot be told.
        (Message(Section.INVALID_ACCEPT_ID, LetterKey("", date.min, "", ""), datetime.now(UTC), "5"), Cause.ACCEPT_ID_UNKNOWN),
    ],
)
def test_a_message_that_cannot_be_is_refused(message: Message, cause: Cause) -> None:
    with pytest.raises(UntranslatableError) as refused:
        ecms.from_ecms(message, ANSWERS)
    assert refused.value.cause is cause


def test_a_fact_without_a_notifier_is_refused() -> None:
    letter, at = LetterKey("", date.min, "", ""), datetime.now(UTC)
    for report, cause in (
        (Report(letter, at, Opened()), Cause.NO_NOTIFIER),
        (Report(letter, at, Disputed(UUID(int=9), UUID(int=1), "")), Cause.ACCEPT_ID_MISPLACED),
        (Report(letter, at, Received(), "1"), Cause.ACCEPT_ID_MISPLACED),
    ):
        with pytest.raises(UntranslatableError) as refused:
            ecms.to_ecms(report)
        assert refused.value.cause is cause


def test_codes_of_speed_and_secrecy_go_there_and_back() -> None:
    assert [ecms.speed_code(speed) for speed in Speed] == ["001", "002", "003", "004"]
    assert [ecms.speed_of(ecms.speed_code(speed)) for speed in Speed] == list(Speed)
    codes = [ecms.secret_code(Classification(secrecy)) for secrecy in Secrecy]
    assert codes == ["001", "002", "003"]
    for code in (*codes, "005"):
        assert ecms.secret_code(ecms.classification_of(code)) == code
    assert ecms.classification_of("005").personal


@pytest.mark.parametrize(("code", "cause"), [("004", Cause.TOP_SECRET), ("006", Cause.CODE_UNKNOWN), ("", Cause.CODE_UNKNOWN)])
def test_top_secret_and_unknown_classes_never_enter(code: str, cause: Cause) -> None:
    with pytest.raises(UntranslatableError) as refused:
        ecms.classification_of(code)
    assert refused.value.cause is cause


def test_an_unknown_speed_and_a_personal_class_without_a_code_are_refused() -> None:
    with pytest.raises(UntranslatableError, match=Cause.CODE_UNKNOWN):
        ecms.speed_of("005")
    for secrecy in (Secrecy.NORMAL, Secrecy.SECRET):
        with pytest.raises(UntranslatableError, match=Cause.CLASS_UNKNOWN):
            ecms.secret_code(Classification(secrecy, personal=True))


def test_the_documented_table_is_the_code() -> None:
    text = TABLE.read_text(encoding="utf-8")
    notifiers = dict(re.findall(r"^\| (3\.2\.\d) \| `(\w+)` \|", text, re.MULTILINE))
    assert notifiers == {section.value: name for section, name in ecms.ELEMENTS.items()}
    states = dict(re.findall(r"^\| `(\w+)` \| ([0-9., -]+) \|$", text, re.MULTILINE))
    assert states == {state.value: ", ".join(ecms.STATE_SECTIONS[state]) or "-" for state in State}
    codes = re.findall(r"^\| (SpeedCode|SecretCode) (\d{3}) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    expected = [("SpeedCode", code, f"`{speed}`") for speed, code in ecms.SPEED_CODES.items()]
    for number in range(1, 6):
        code = f"{number:03}"
        if code == ecms.TOP_SECRET:
            expected.append(("SecretCode", code, f"refused: `{Cause.TOP_SECRET}`"))
        else:
            of = ecms.classification_of(code)
            expected.append(("SecretCode", code, f"`{of.secrecy}`" + (", `personal`" if of.personal else "")))
    assert codes == expected
    assert set(re.findall(r"^- `(\w+)`:", text, re.MULTILINE)) == set(Cause)
