"""Properties of succession, and of how a table's encoding is told."""

from datetime import date, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.agencies import AgencyEntry
from services.registry.domain.succession import (
    Active,
    AgencyStatus,
    ClosedWithoutSuccessor,
    Life,
    NotYet,
    SplitNeedsChoice,
    Successor,
    check_succession,
    resolve,
)
from services.registry.domain.tables import decode_table
from shared.problems import ProblemError
from shared.spreadsheets import FORMULA_STARTS, neutral, plain

IDS = [UUID(int=n) for n in range(6)]
CODES = "abcdef"
days = st.integers(0, 9).map(lambda n: date(2026, 1, 1) + timedelta(n))


@st.composite
def lives(draw: st.DrawFn) -> dict[str, Life[str]]:
    """Any lives, faulty ones too."""
    return {
        code: Life(
            draw(st.none() | days),
            draw(st.none() | days),
            tuple(draw(st.lists(st.sampled_from(CODES), max_size=3))),
        )
        for code in CODES
    }


@given(lives(), days)
def test_every_question_has_an_answer_that_stands_on_the_day(found: dict[str, Life[str]], day: date) -> None:
    ids = dict(zip(CODES, IDS, strict=True))
    by_id = {ids[c]: Life(life.valid_from, life.valid_until, tuple(ids[a] for a in life.successors)) for c, life in found.items()}
    for agency_id in IDS:
        match resolve(agency_id, day, by_id):
            case Active(standing):
                assert standing == agency_id
                assert by_id[standing].status(day) is AgencyStatus.ACTIVE
            case NotYet(_, valid_from):
                assert valid_from > day
            case Successor(chain):
                assert chain[0] == agency_id
                assert by_id[chain[-1]].status(day) is AgencyStatus.ACTIVE
                assert all(after in by_id[before].successors for before, after in pairwise(chain))
            case SplitNeedsChoice(chain, choices):
                assert chain[0] == agency_id
                assert choices
                assert all(by_id[choice].status(day) is AgencyStatus.ACTIVE for choice in choices)
            case ClosedWithoutSuccessor(chain):
                assert chain[0] == agency_id


@given(lives(), lives())
def test_what_passes_the_check_always_finds_whoever_took_over(before: dict[str, Life[str]], after: dict[str, Life[str]]) -> None:
    """Saved in two steps, as changes are: the second is checked over what the first left."""
    stored: dict[str, Life[str]] = {}
    for step in (before, {code: life for code, life in after.items() if code in "abc"}):
        faulty = {code for code, _ in check_succession(step, stored)}
        if faulty:
            # A sound remainder is tried as well: without it nearly nothing would pass.
            step = {code: Life(life.valid_from) for code, life in step.items()}  # noqa: PLW2901
            if check_succession(step, stored):
                continue
        stored = {**stored, **step}
    for life in stored.values():
        assert life.valid_from is None or life.valid_until is None or life.valid_from < life.valid_until
        for code in life.successors:
            assert life.valid_until is not None
            assert stored[code].status(life.valid_until) is AgencyStatus.ACTIVE
    for code in stored:
        reached, to_visit = set[str](), list(stored[code].successors)
        while to_visit:
            at = to_visit.pop()
            assert at != code
            if at not in reached:
                reached.add(at)
                to_visit += stored[at].successors


def test_branches_that_come_together_again_need_no_choice() -> None:
    a, b, c, d, e, _ = IDS
    closed = Life(None, date(2020, 1, 1), (b, c))
    found = {
        a: closed,
        b: Life(None, date(2021, 1, 1), (d,)),
        c: Life(None, date(2022, 1, 1), (d,)),
        d: Life(),
        e: Life(),
    }
    assert resolve(a, date(2020, 6, 1), found) == SplitNeedsChoice((a,), (b, c))
    assert resolve(a, date(2021, 6, 1), found) == SplitNeedsChoice((a,), (d, c))
    assert resolve(a, date(2023, 1, 1), found) == Successor((a, b, d))


thai = st.text(st.sampled_from("กขคงจฉชซญฎฐณดตถทธนบปผพภมยรลวศสหอะาำิีึืุูเแโใไ่้็์๐๑๙"), min_size=1, max_size=30)


def _is_utf_8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


# A word or two may be sound in both encodings, such as ยก: then it is UTF-8.
@given(thai.filter(lambda text: (text.count("เธ") + text.count("เน")) * 5 < len(text) and not _is_utf_8(text.encode("cp874"))))
def test_thai_is_read_in_either_encoding(text: str) -> None:
    table = f"code,name_th\nmoi,{text}\n"
    assert decode_table(table.encode()).encoding == "utf-8"
    read = decode_table(table.encode("cp874"))
    assert (read.text, read.encoding) == (table, "windows-874")


@given(thai.filter(lambda text: len(text) > 4), st.data())
def test_spoilt_utf_8_is_not_taken_for_windows_874(text: str, data: st.DataObject) -> None:
    raw = bytearray(text.encode())
    raw[data.draw(st.integers(0, len(raw) // 3 - 1)) * 3] = 0xA1
    try:
        decode_table(bytes(raw))
    except ProblemError as error:
        assert error.errors[0].code == "not_utf8"
    else:
        raise AssertionError("read as Windows-874")


@given(st.text(st.sampled_from("'=+-@\tab "), max_size=6))
def test_neutral_cell_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert not neutral(text).startswith(FORMULA_STARTS)
    assert plain(neutral(text)) == text


def test_search_text_holds_names_and_codes_in_comparable_form() -> None:
    entry = AgencyEntry("MOI", "กระทรวง", "Interior", "ministry", "มท ๐๒๑๘", None, None)
    assert entry.search_text == "moi กระทรวง interior มท 0218"
