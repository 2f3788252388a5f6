"""Properties of what the registry reads, plans and freezes."""

import csv
import io
import json
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.registry.dispatching import chunked
from services.registry.domain.agencies import AgencyEntry, check_tree
from services.registry.domain.files import MAX_NAME_LENGTH, content_disposition, safe_file_name
from services.registry.domain.kinds import Kind
from services.registry.domain.letters import Draft, Enclosure, Reference, draft_from_json, draft_to_json
from services.registry.domain.lists import AddresseeEntry, find_duplicates
from services.registry.domain.tables import read_table
from shared.contracts.events import (
    RECIPIENTS_PER_MESSAGE,
    CircularDispatched,
    FrozenRecipient,
    LetterSummary,
    Secrecy,
    Speed,
)
from shared.problems import ProblemError
from shared.spreadsheets import neutral
from shared.thai.text import has_unsafe_characters

texts = st.text(st.characters(codec="utf-8"), max_size=20)
days = st.none() | st.dates()
drafts = st.builds(
    Draft,
    kind=st.sampled_from(Kind),
    references=st.lists(st.builds(Reference, issuer=texts, number=texts, date=days), max_size=3).map(tuple),
    enclosures=st.lists(
        st.builds(Enclosure, description=texts, copies=st.integers(1, 99), issuer=st.none() | texts, number=st.none() | texts, date=days),
        max_size=3,
    ).map(tuple),
    body=st.lists(texts, max_size=3).map(tuple),
    date=days,
    fax=st.none() | texts,
    deadline=st.none() | st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    **dict.fromkeys(("owner", "subject", "salutation", "closing", "signatory_name", "signatory_position", "contact_unit", "telephone"), texts),
)  # fmt: skip


@given(drafts)
def test_stored_draft_is_read_back_as_it_was(draft: Draft) -> None:
    assert draft_from_json(json.loads(json.dumps(draft_to_json(draft)))) == draft


@given(st.text(max_size=300))
def test_file_name_is_harmless_and_cleaning_it_twice_changes_nothing(name: str) -> None:
    try:
        safe = safe_file_name(name)
    except ProblemError:
        return
    assert 0 < len(safe) <= MAX_NAME_LENGTH
    assert not set(safe) & set('/\\"<>|?*:;\n\t\r')
    assert not has_unsafe_characters(safe)
    assert safe not in (".", "..")
    header = content_disposition(safe)
    assert header.isascii()
    assert header.isprintable()
    assert safe_file_name(safe) == safe


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00\ufeff"), max_size=10).map(str.strip)


@given(st.lists(st.tuples(cells, cells), max_size=10))
def test_table_written_by_a_spreadsheet_is_read_back_line_by_line(rows: list[tuple[str, str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([("a", "b"), *([neutral(cell) for cell in row] for row in rows)])
    read = read_table(text.getvalue().encode(), required=("a", "b"))
    assert [(row.values["a"], row.values["b"]) for row in read] == rows
    assert [row.line for row in read] == list(range(2, len(rows) + 2))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_refused_with_lines(raw: bytes) -> None:
    try:
        read_table(raw, required=("a",))
    except ProblemError as error:
        assert error.problem.code == "import_invalid"
        assert all(e.pointer.startswith("line ") for e in error.errors)


codes = st.sampled_from("abcdef")


@given(st.dictionaries(codes, st.none() | codes), st.dictionaries(codes, st.none() | codes))
def test_tree_without_faults_reaches_a_root_from_everywhere(
    changed: dict[str, str | None], stored: dict[str, str | None]
) -> None:
    sound_before = not check_tree({code: _entry(code, parent) for code, parent in stored.items()}, {})
    entries = {code: _entry(code, parent) for code, parent in changed.items()}
    if check_tree(entries, stored) or not sound_before:
        return
    parents = {**stored, **changed}
    for code in parents:
        at: str | None = code
        for _ in range(len(parents) + 1):
            at = parents[at] if at is not None else None
        assert at is None


def _entry(code: str, parent_code: str | None) -> AgencyEntry:
    return AgencyEntry(code, code, code, "school", None, parent_code, None)


@given(st.lists(st.tuples(st.sampled_from(["ก ๑", "ก  1", "ข"]), st.sampled_from(["x", "y"])), max_size=12))
def test_list_without_its_duplicates_has_none(addressees: list[tuple[str, str]]) -> None:
    entries = [AddresseeEntry(title, code, relay_duty=False) for title, code in addressees]
    pairs = find_duplicates(entries)
    assert all(first < index for index, first in pairs)
    repeated = {index for index, _ in pairs}
    kept = [entry for index, entry in enumerate(entries) if index not in repeated]
    assert find_duplicates(kept) == []
    assert len(kept) <= 4


@given(st.integers(1, 3 * RECIPIENTS_PER_MESSAGE + 1))
def test_chunks_hold_every_recipient_once_in_order(count: int) -> None:
    recipients = [
        FrozenRecipient(recipient_id=UUID(int=n), position=n, agency_id=UUID(int=0), title="ก", relay_duty=False)
        for n in range(1, count + 1)
    ]
    payloads = chunked(_header(count).model_dump(mode="json"), [r.model_dump(mode="json") for r in recipients], 1)
    chunks = [CircularDispatched.model_validate(payload) for payload in payloads]
    assert [r for chunk in chunks for r in chunk.recipients] == recipients
    assert [chunk.chunk for chunk in chunks] == list(range(1, len(chunks) + 1))
    assert {chunk.chunks for chunk in chunks} == {len(chunks)}
    assert all(1 <= len(chunk.recipients) <= RECIPIENTS_PER_MESSAGE for chunk in chunks)


def _header(count: int) -> CircularDispatched:
    letter = LetterSummary(
        letter_id=UUID(int=1),
        number="สค ๑/ว ๑",
        date=datetime(2017, 11, 9, tzinfo=UTC).date(),
        owner="", subject="", salutation="", body=(), closing="", signatory_name="", signatory_position="", contact_unit="", telephone="",
        speed=Speed.NORMAL,
        secrecy=Secrecy.NORMAL,
        content_hash="0" * 64,
        attachments=(),
    )  # fmt: skip
    return CircularDispatched(
        circular_id=UUID(int=2),
        sender_agency_id=UUID(int=3),
        sender_name_th="ก",
        sender_name_en="a",
        letter=letter,
        dispatched_at=datetime(2017, 11, 9, tzinfo=UTC),
        deadline=None,
        relay_of_recipient_id=None,
        recipient_count=count,
        chunk=1,
        chunks=-(-count // RECIPIENTS_PER_MESSAGE),
        recipients=(),
    )
