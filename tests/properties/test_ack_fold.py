"""The fold of a recipient's events, under every order and number of arrivals."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.ack.facts import (
    Bounced,
    Confirmed,
    Corrected,
    DisputeAnswered,
    Disputed,
    Door,
    Fact,
    HandedOver,
    Level,
    Opened,
    Recalled,
    Received,
    RecipientEvent,
    Redirected,
    Registration,
    Rejection,
    RejectionReason,
    Relayed,
    Stopped,
    Undeliverable,
    Withdrawn,
)
from services.ack.fold import ANSWERED, LEVEL_RANK, RANK, State, answered, fold
from shared.contracts.events import Channel, HandOverGrade

RECIPIENT = UUID(int=7)
START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)

identifiers = st.integers(1, 3).map(lambda number: UUID(int=number))
moments = st.integers(0, 20).map(lambda minutes: START + timedelta(minutes=minutes))
registrations = st.builds(
    Registration,
    st.integers(1, 99).map(str),
    st.just(date(2026, 11, 23)),
    st.none(),
    st.just("สมหญิง"),
    st.none(),
    st.sampled_from(["กองคลัง", "กองช่าง"]),
    st.sampled_from(Level),
    st.none(),
    st.integers(0, 1),
)
answers: st.SearchStrategy[Registration | Rejection] = st.one_of(
    registrations,
    st.builds(Rejection, st.sampled_from(RejectionReason), st.just(""), st.just("วิชัย"), st.none()),
)
# Events bear the identifiers 1 to 8, so that what comes afterwards names some that are there.
answer_ids = st.integers(1, 8).map(lambda number: UUID(int=number))
facts: st.SearchStrategy[Fact] = st.one_of(
    st.builds(HandedOver, identifiers, st.sampled_from(Channel), st.sampled_from(HandOverGrade), st.integers(1, 3)),
    st.builds(Undeliverable, identifiers, st.just("no channel is left"), st.just(""), st.integers(1, 3)),
    st.builds(Bounced, identifiers, st.just("5.1.1"), st.just(""), st.integers(1, 3)),
    st.just(Opened()),
    st.just(Received()),
    answers,
    st.builds(Relayed, identifiers, st.integers(1, 50)),
    st.builds(Recalled, identifiers, st.sampled_from(["ส่งผิดหน่วยงาน", "ซ้ำ"])),
    st.builds(Stopped, identifiers, st.integers(0, 3)),
    st.builds(Redirected, identifiers),
    st.builds(Confirmed, answer_ids, st.none()),
    st.builds(Corrected, answer_ids, registrations, st.just("อ่านผิด"), st.integers(0, 2)),
    st.builds(Withdrawn, answer_ids, st.just("ลงผิดฉบับ")),
    st.builds(Disputed, identifiers, answer_ids, st.just("ไม่ใช่เลขของหนังสือนี้")),
    st.builds(DisputeAnswered, identifiers, st.just("ถูกต้องแล้ว")),
)
events = st.builds(
    RecipientEvent, answer_ids, st.just(RECIPIENT), moments, moments, st.just("test"), facts, st.sampled_from([None, *Door])
)
logs = st.lists(events, max_size=8, unique_by=lambda event: event.event_id)


@given(logs, st.data())
def test_order_and_duplicates_do_not_count(log: list[RecipientEvent], data: st.DataObject) -> None:
    arrivals = data.draw(st.permutations([*log, *data.draw(st.lists(st.sampled_from(log), max_size=5))])) if log else []
    assert fold(arrivals) == fold(log)


@given(logs, events)
def test_a_state_never_falls(log: list[RecipientEvent], more: RecipientEvent) -> None:
    if isinstance(more.fact, Withdrawn) or any(event.event_id == more.event_id for event in log):
        return
    before, after = fold(log), fold([*log, more])
    assert RANK[after.state] >= RANK[before.state]
    assert before.handed_over_at is None or (after.handed_over_at is not None and after.handed_over_at <= before.handed_over_at)
    assert after.onward_recipients >= before.onward_recipients or isinstance(more.fact, Relayed)


@given(logs)
def test_the_first_recorded_answer_that_stands_decides(log: list[RecipientEvent]) -> None:
    taken_back = {event.fact.answer_id for event in log if isinstance(event.fact, Withdrawn)}
    ordered = sorted(log, key=lambda event: (event.recorded_at, event.event_id))
    first = {event.dedupe_key: event for event in reversed(ordered)}
    answers = [
        event for event in ordered if isinstance(event.fact, Registration | Rejection) and first[event.dedupe_key] is event
    ]
    standing = [event for event in answers if event.event_id not in taken_back]
    folded = fold(log)
    assert (folded.state in ANSWERED) == bool(standing)
    assert (folded.acknowledgment is None) == (not standing)
    if standing:
        assert folded.recorded_at == standing[0].recorded_at
        assert isinstance(folded.acknowledgment, type(standing[0].fact))


@given(logs)
def test_entries_stand_by_level_and_each_is_an_answer_that_was_given(log: list[RecipientEvent]) -> None:
    folded = fold(log)
    ranks = [LEVEL_RANK[entry.registration.level] for entry in folded.entries]
    assert ranks == sorted(ranks)
    given_ids = {event.event_id: event.fact for event in log if isinstance(event.fact, Registration)}
    assert all(entry.written == given_ids[entry.answer_id] for entry in folded.entries)
    assert not folded.entries or folded.acknowledgment == folded.entries[0].registration


@given(logs)
def test_what_was_corrected_stands_as_it_was_corrected_last(log: list[RecipientEvent]) -> None:
    ordered = sorted(log, key=lambda event: (event.recorded_at, event.event_id))
    for entry in fold(log).entries:
        seen: dict[str, Corrected] = {}
        for event in ordered:
            if isinstance(event.fact, Corrected) and event.fact.answer_id == entry.answer_id:
                seen.setdefault(event.dedupe_key, event.fact)
        assert (entry.corrected_at is not None) == bool(seen)
        assert entry.registration == (list(seen.values())[-1].registration if seen else entry.written)


@given(logs)
def test_a_hand_over_is_never_an_acknowledgment(log: list[RecipientEvent]) -> None:
    unanswered = [event for event in log if not isinstance(event.fact, Registration | Rejection)]
    assert fold(unanswered).state not in ANSWERED


@given(logs)
def test_a_recall_counts_for_whoever_has_not_answered_and_is_told_to_all(log: list[RecipientEvent]) -> None:
    folded = fold(log)
    recalls = [event for event in log if isinstance(event.fact, Recalled)]
    assert (folded.state is State.RECALLED) == (bool(recalls) and folded.acknowledgment is None)
    assert (folded.recalled_at is not None) == (folded.recall_reason is not None) == bool(recalls)


@given(logs, answers)
def test_an_answer_on_top_of_a_state_is_what_the_whole_log_says(
    log: list[RecipientEvent], answer: Registration | Rejection
) -> None:
    if fold(log).acknowledgment is not None:
        return
    turn = fold(log).withdrawals + 2
    latest = RecipientEvent(UUID(int=99), RECIPIENT, START, START + timedelta(days=1), "test", replace(answer, turn=turn))
    assert answered(fold(log), latest) == fold([*log, latest])


def test_every_state_has_a_rank() -> None:
    assert set(RANK) == set(State)


def test_a_failure_gives_way_to_a_later_hand_over() -> None:
    def event(number: int, fact: Fact) -> RecipientEvent:
        return RecipientEvent(UUID(int=number), RECIPIENT, START, START + timedelta(minutes=number), "dispatch", fact)

    failed = event(1, Undeliverable(UUID(int=1), "no channel is left", "", 3))
    blind = event(2, HandedOver(UUID(int=1), Channel.EMAIL, HandOverGrade.BLIND, 1))
    pulled = event(3, HandedOver(UUID(int=1), Channel.INBOX, HandOverGrade.TRANSPORT, 1))
    assert fold([failed]).state is State.UNDELIVERABLE
    assert fold([failed, blind]).state is State.HANDED_OVER
    best = fold([pulled, blind, failed]).hand_over
    assert best is not None
    assert best.grade is HandOverGrade.TRANSPORT
