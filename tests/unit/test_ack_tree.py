"""The relay tree is added up by level: whatever the branches, nothing is lost or counted twice."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ack.fold import State
from services.ack.tree import Branch, Duty, OwnDeadline, RelayState, levels_of, relay_state, tree_of

NOW = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TOPS = [UUID(int=number) for number in range(1, 5)]


@st.composite
def branches(draw: st.DrawFn) -> Branch:
    level = draw(st.integers(1, 4))
    counts = draw(st.tuples(*[st.integers(0, 50)] * 5))
    top = None if level == 1 else draw(st.sampled_from(TOPS))
    relayed_by = top if level == 2 else top and draw(st.uuids())
    minutes = st.integers(-500, 500).map(lambda count: NOW + count * MINUTE)
    return Branch(
        level=level,
        top=top,
        relayed_by=relayed_by,
        # A recipient was handed its letter at one time, in however many circulars it passes it on.
        handed_over_at=NOW - relayed_by.int % 500 * MINUTE if relayed_by is not None and relayed_by.int % 3 else None,
        dispatched_at=draw(minutes),
        deadline=draw(st.none() | st.just(NOW) | minutes),
        recipients=sum(counts),
        handed_over=counts[0],
        registered=counts[1],
        rejected=counts[2],
        recalled=counts[3],
        undeliverable=counts[4],
        duties=counts[0],
        relayed=counts[1],
        duties_waiting=counts[2],
    )


def duty(
    recipient_id: UUID, *, state: State = State.HANDED_OVER, handed: datetime | None = None, relayed: datetime | None = None
) -> Duty:
    return Duty(recipient_id, 1, uuid4(), None, "นายอำเภอเมือง", None, state, handed, relayed)


@given(st.lists(branches(), max_size=30), st.randoms(use_true_random=False))
def test_levels_and_relays_add_up_in_any_order(found: list[Branch], order: Random) -> None:
    tree = tree_of(found, [duty(top) for top in TOPS], NOW, complete=True)
    shuffled = order.sample(found, len(found))
    assert tree_of(shuffled, [duty(top) for top in TOPS], NOW, complete=True).levels == tree.levels
    assert [level.level for level in tree.levels] == sorted({branch.level for branch in found})
    for name in ("recipients", "registered", "handed_over", "duties_waiting"):
        whole = sum(getattr(branch, name) for branch in found)
        assert sum(getattr(level, name) for level in tree.levels) == whole
        own = sum(getattr(branch, name) for branch in found if branch.top is None)
        below = sum(getattr(level, name) for relay in tree.relays for level in relay.levels)
        assert own + below == whole
    for level in tree.levels:
        assert 0 <= level.overdue <= level.outstanding
        assert level.duties_overdue <= level.duties_waiting
        longest = level.hops.longest_seconds
        assert (longest is None) == (level.hops.measured == 0)
        assert longest is None or 0 <= (level.hops.median_seconds or 0) <= longest


@pytest.mark.parametrize(
    ("state", "relayed", "deadline", "expected"),
    [
        (State.HANDED_OVER, None, None, RelayState.WAITING),
        (State.REGISTERED, None, NOW, RelayState.WAITING),
        (State.REGISTERED, None, NOW - MINUTE, RelayState.OVERDUE),
        (State.UNDELIVERABLE, None, NOW - MINUTE, RelayState.OVERDUE),
        (State.REJECTED, None, NOW - MINUTE, RelayState.RELEASED),
        (State.RECALLED, None, NOW - MINUTE, RelayState.RELEASED),
        (State.RECALLED, NOW, NOW, RelayState.RELAYED),
        (State.REGISTERED, NOW, NOW - MINUTE, RelayState.LATE),
    ],
)
def test_a_duty_is_judged_by_the_deadline_and_a_tie_is_in_time(
    state: State, relayed: datetime | None, deadline: datetime | None, expected: RelayState
) -> None:
    assert relay_state(replace(duty(TOPS[0], state=state, relayed=relayed), due_at=deadline), NOW) is expected


def test_a_deadline_of_a_recipients_own_goes_before_the_circulars() -> None:
    own = (OwnDeadline(NOW - MINUTE, 2, 1), OwnDeadline(NOW, 3, 1), OwnDeadline(NOW + MINUTE, 4, 2))
    branch = Branch(1, None, None, None, NOW - 9 * MINUTE, NOW - MINUTE, 20, 0, 0, 0, 0, 0, 8, 0, 6, own=own)
    (level,) = levels_of([branch], NOW)
    assert (level.outstanding, level.overdue) == (20, 20 - 9 + 2), "a tie is in time"
    assert (level.duties_waiting, level.duties_overdue) == (6, 6 - 4 + 1)
    (before,) = levels_of([replace(branch, deadline=NOW)], NOW)
    assert (before.overdue, before.duties_overdue) == (2, 1)


def test_who_passes_on_in_two_circulars_has_done_so_with_the_first() -> None:
    given_ = Branch(2, TOPS[0], TOPS[0], NOW, NOW + 3 * MINUTE, None, *[0] * 9)
    first = Branch(2, TOPS[0], TOPS[0], NOW, NOW + MINUTE, None, *[0] * 9)
    early = Branch(2, TOPS[1], TOPS[1], NOW, NOW - MINUTE, None, *[0] * 9)
    (level,) = levels_of([given_, first, early], NOW)
    assert level.circulars == 3
    assert (level.hops.measured, level.hops.median_seconds, level.hops.longest_seconds) == (2, 30.0, 60.0)
