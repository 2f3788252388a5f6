"""Resolution of lists: order kept, nobody twice, cycles refused, exclusions hold, and a hash in the canonical form."""

import hashlib
from collections.abc import Sequence
from uuid import UUID

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.resolution import (
    Closed,
    Goes,
    Layout,
    ListHash,
    Member,
    Resolved,
    Run,
    Sieve,
    difference,
    hashed,
    identity,
    lay_out,
)
from shared.contracts.events import Role
from shared.problems import ProblemError

AGENCIES = [UUID(int=n) for n in range(5)]
LISTS = [UUID(int=100 + n) for n in range(5)]

addressees = st.lists(
    st.builds(
        Resolved,
        agency_id=st.sampled_from(AGENCIES),
        title=st.sampled_from(["ก ๑", "ก  1", "ข", "ค"]),
        relay_duty=st.booleans(),
        role=st.sampled_from(Role),
    ),
    max_size=30,
)
excluded = st.frozensets(st.sampled_from(AGENCIES), max_size=3)


@given(addressees, excluded, st.integers(1, 7))
def test_sieve_keeps_the_first_of_each_in_order_whatever_the_pieces(
    candidates: list[Resolved], without: frozenset[UUID], piece: int
) -> None:
    sieve = Sieve()
    kept = [one for n in range(0, len(candidates), piece) for one in sieve.sift(candidates[n : n + piece], without)]
    allowed = [one for one in candidates if one.agency_id not in without]
    firsts = {identity(one.agency_id, one.title): one for one in reversed(allowed)}
    assert {identity(one.agency_id, one.title): one for one in kept} == firsts
    assert len(kept) == len(firsts) == sieve.kept
    assert sieve.duplicate_count == len(allowed) - len(kept)
    remaining = iter(allowed)
    assert all(any(one is other for other in remaining) for one in kept)


@given(addressees)
def test_who_follows_stands_in_the_place_of_closed_agencies_and_the_others_stay_and_are_counted(
    candidates: list[Resolved],
) -> None:
    sieve = Sieve()
    kept = sieve.sift(candidates, frozenset(), {AGENCIES[0]: Closed(), AGENCIES[1]: Goes(AGENCIES[2])})
    assert AGENCIES[1] not in {one.agency_id for one in kept}
    assert {one.in_place_of for one in kept} <= {None, AGENCIES[1]}
    assert all((one.in_place_of is None) or (one.agency_id == AGENCIES[2]) for one in kept)
    gone = {identity(AGENCIES[2], one.title) for one in candidates if one.agency_id == AGENCIES[1]}
    assert {identity(one.agency_id, one.title) for one in kept} == gone | {
        identity(one.agency_id, one.title) for one in candidates if one.agency_id != AGENCIES[1]
    }
    assert sieve.succeeded_count == sum(one.in_place_of is not None for one in kept)
    assert sieve.closed == [one for one in kept if one.agency_id == AGENCIES[0]]
    assert len(kept) + sieve.duplicate_count == len(candidates)


@given(st.dictionaries(st.sampled_from(LISTS), st.lists(st.tuples(st.integers(0, 3), st.sampled_from(LISTS)), max_size=2)))
def test_cycles_are_always_refused_and_nothing_else_is(nested: dict[UUID, list[tuple[int, UUID]]]) -> None:
    layouts = {
        one: Layout(f"list {one.int}", 3, tuple(Member(after, inner) for after, inner in sorted(nested.get(one, []))))
        for one in LISTS
    }
    if _reaches_a_cycle(LISTS[0], nested, ()):
        with pytest.raises(ProblemError) as refused:
            lay_out(LISTS[0], layouts)
        assert refused.value.problem.code == "list_cycle"
        names = (refused.value.detail or "").split(" > ")
        assert names[-1] in names[:-1]
        return
    segments = lay_out(LISTS[0], layouts)
    own = [n for one in segments if isinstance(one, Run) and one.list_id == LISTS[0] for n in range(one.first, one.last + 1)]
    assert own == [1, 2, 3]


def _reaches_a_cycle(one: UUID, nested: dict[UUID, list[tuple[int, UUID]]], path: Sequence[UUID]) -> bool:
    return one in path or any(_reaches_a_cycle(inner, nested, (*path, one)) for _, inner in nested.get(one, []))


def test_a_list_deeper_than_the_bound_is_refused_and_exceptions_hold_below() -> None:
    chain = [UUID(int=n) for n in range(9)]
    layouts = {one: Layout(str(one.int), 1, (Member(0, UUID(int=one.int + 1)),)) for one in chain[:-1]}
    layouts[chain[-1]] = Layout("last", 1)
    with pytest.raises(ProblemError) as refused:
        lay_out(chain[0], layouts)
    assert refused.value.problem.code == "list_too_deep"
    layouts[chain[1]] = Layout("1", 1, layouts[chain[1]].members, frozenset({AGENCIES[0]}))
    assert {AGENCIES[0]} == set.intersection(*(set(one.excluded) for one in lay_out(chain[1], layouts)))


@given(
    st.lists(
        st.builds(Resolved, st.uuids(), st.text(), st.booleans(), st.sampled_from(Role), st.sampled_from([None, '{"text":"ก"}']))
    ),
    st.integers(1, 4),
)
def test_hash_is_that_of_the_canonical_json(resolved: list[Resolved], piece: int) -> None:
    resolved = [one for one in resolved if one.title.isprintable() or one.title.isascii()]
    taken = ListHash()
    for n in range(0, len(resolved), piece):
        taken.add(resolved[n : n + piece])
    assert taken.hexdigest() == hashlib.sha256(rfc8785.dumps([hashed(one) for one in resolved])).hexdigest()  # pyright: ignore[reportArgumentType]


@given(addressees, addressees)
def test_difference_leads_from_before_to_now(before: list[Resolved], now: list[Resolved]) -> None:
    before, now = Sieve().sift(before, frozenset()), Sieve().sift(now, frozenset())
    found = difference(before, now)
    gone = {identity(o.agency_id, o.title) for o in (*found.removed, *(c.before for c in found.title_changed))}
    come = {identity(o.agency_id, o.title) for o in (*found.added, *(c.now for c in found.title_changed))}
    assert ({identity(o.agency_id, o.title) for o in before} - gone) | come == {identity(o.agency_id, o.title) for o in now}
    assert difference(now, now) == difference([], [])
