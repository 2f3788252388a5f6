"""The difference between two letters: named exactly where they differ, and silent about secret ones."""

from dataclasses import replace
from datetime import UTC, date, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.difference import differences
from services.registry.domain.letters import Attachment, Draft
from shared.contracts.events import Secrecy, Speed
from tests.support.registry import LETTER

texts = st.sampled_from(["", "ก", "ข"])
drafts = st.builds(
    Draft,
    **{name: st.just(value) for name, value in LETTER.items() if isinstance(value, str) and name not in ("date", "subject")},
    circular=st.booleans(),
    date=st.sampled_from([None, date(2026, 11, 2), date(2026, 11, 3)]),
    subject=texts,
    references=st.just(()),
    enclosures=st.just(()),
    body=st.lists(texts, max_size=2).map(tuple),
    fax=st.none() | texts,
    speed=st.sampled_from(Speed),
    secrecy=st.sampled_from(Secrecy),
    deadline=st.sampled_from([None, datetime(2026, 12, 1, 9, tzinfo=UTC)]),
)
files = st.lists(
    st.builds(Attachment, st.just(UUID(int=1)), texts, st.just("application/pdf"), st.just(1), st.sampled_from(["aa", "bb"])),
    max_size=2,
)


@given(drafts, drafts, files, files)
def test_a_field_is_named_exactly_when_it_differs(
    old: Draft, new: Draft, old_files: list[Attachment], new_files: list[Attachment]
) -> None:
    changes = differences(old, new, old_files, new_files)
    expected = {name for name in Draft.__slots__ if getattr(old, name) != getattr(new, name)}
    if [(file.file_name, file.sha256) for file in old_files] != [(file.file_name, file.sha256) for file in new_files]:
        expected.add("attachments")
    assert {change.field for change in changes} == expected
    assert len(changes) == len(expected)
    backward = differences(new, old, new_files, old_files)
    assert [(one.field, one.after, one.before) for one in backward] == [(one.field, one.before, one.after) for one in changes]


@given(drafts, drafts, st.sampled_from([Secrecy.CONFIDENTIAL, Secrecy.SECRET]), st.booleans())
def test_nothing_of_a_secret_letter_is_told(old: Draft, new: Draft, secrecy: Secrecy, new_one: bool) -> None:
    old, new = (old, replace(new, secrecy=secrecy)) if new_one else (replace(old, secrecy=secrecy), new)
    assert all(change.before is None and change.after is None for change in differences(old, new))
