"""What follows from a subscriber's answer, and what a request is called, for any answer and any events."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.dispatch.feed import CATALOGUE, EventType
from services.dispatch.outcomes import Delivered, Gone, Outcome, Refused, RetryLater
from services.dispatch.subscriptions import About, SwitchedOff, Taken, TriedAgain, decide, message_id, scopes_of, wanted

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SCHEDULE = (5.0, 30.0, 3600.0)

refusals = st.one_of(
    st.builds(RetryLater, reason=st.just("timeout"), after=st.none() | st.floats(0, 1e9)),
    st.builds(Refused, reason=st.just("answer_malformed")),
)


@given(refusals, st.integers(0, 10**6), st.floats(0, 1))
def test_what_is_not_taken_is_always_sent_again_within_two_hours(outcome: Outcome, failures: int, dice: float) -> None:
    result = decide(outcome, failures, SCHEDULE, NOW, dice)
    assert isinstance(result, TriedAgain)
    assert timedelta(seconds=4) <= result.at - NOW <= timedelta(hours=2)
    if failures >= len(SCHEDULE):
        assert result.at - NOW >= timedelta(seconds=3600 * 0.8), "the last wait is repeated"


def test_only_an_answer_of_success_moves_on_and_only_410_ends() -> None:
    assert decide(Delivered(204), 3, SCHEDULE, NOW, 0.5) == Taken()
    assert decide(Gone(410), 0, SCHEDULE, NOW, 0.5) == SwitchedOff()


@given(st.lists(st.uuids(), min_size=1, max_size=5), st.lists(st.uuids(), min_size=1, max_size=5))
def test_a_request_is_named_by_the_events_in_it(one: list[UUID], other: list[UUID]) -> None:
    assert (message_id(one, batched=True) == message_id(other, batched=True)) == (one == other)
    assert message_id(one[:1], batched=False) == one[0]


@given(st.sampled_from(About), st.none() | st.sets(st.sampled_from(EventType)))
def test_what_is_sent_is_what_the_scopes_open(about: About, types: set[EventType] | None) -> None:
    opened = {entry.type for entry in CATALOGUE if entry.scope in scopes_of(about)}
    assert set(wanted(about, types)) == (opened if types is None else opened & types)
    assert set(wanted(About.SENT, types)) | set(wanted(About.RECEIVED, types)) == set(wanted(About.BOTH, types))
