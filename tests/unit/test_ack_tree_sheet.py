"""The relay tree in words and as a picture."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ack.tree import Hops, Level
from services.ack.tree_sheet import parts_of, span

COUNTS = st.integers(0, 100_000)


def level(registered: int, rejected: int, recalled: int, still_open: int, handed_over: int) -> Level:
    recipients = registered + rejected + recalled + still_open
    return Level(
        level=1,
        circulars=1,
        recipients=recipients,
        handed_over=handed_over,
        registered=registered,
        rejected=rejected,
        recalled=recalled,
        undeliverable=0,
        outstanding=still_open,
        overdue=0,
        duties=0,
        relayed=0,
        duties_waiting=0,
        duties_overdue=0,
        hops=Hops(0, None, None),
    )


@given(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS))
def test_the_stretches_of_a_bar_join_and_fill_it_whatever_was_handed_over(counts: tuple[int, int, int, int, int]) -> None:
    parts = parts_of(level(*counts))
    if not sum(counts[:4]):
        assert parts == ()
        return
    edges = [edge for part in parts for edge in (part.start, part.start + part.width)]
    assert edges[0] == 0
    assert edges[-1] == pytest.approx(100)
    assert edges[1:-1:2] == pytest.approx(edges[2::2])
    assert len({part.key for part in parts}) == len(parts)


def test_the_bar_tells_who_has_the_letter_and_has_not_answered() -> None:
    assert [(part.key, part.count, part.start, part.width) for part in parts_of(level(5, 1, 1, 3, 8))] == [
        ("registered", "๕", 0, 50),
        ("rejected", "๑", 50, 10),
        ("handed_over", "๒", 60, 20),
        ("awaiting", "๑", 80, 10),
        ("recalled", "๑", 90, 10),
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "๐ วินาที"),
        (29, "๒๙ วินาที"),
        (45, "๑ นาที"),
        (3600, "๑ ชั่วโมง"),
        (7500, "๒ ชั่วโมง ๕ นาที"),
        (3599, "๑ ชั่วโมง"),
        (86_400 * 3 + 3600, "๓ วัน ๑ ชั่วโมง"),
    ],
)
def test_a_span_is_told_in_two_units_at_most(seconds: float, words: str) -> None:
    assert span(seconds) == words
