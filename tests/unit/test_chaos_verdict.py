"""The chaos run's verdict: each kind of fault is found and named, and what kills may do is no fault."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from wian.chaos.verdict import Fate, judge


def well(**changes: Any) -> Fate:
    """A recipient with whom all is well, but for `changes`."""
    delivery_id = uuid4()
    fate = Fate(
        recipient_id=uuid4(),
        delivery_id=delivery_id,
        state="handed_over",
        received=1,
        webhook_ids=frozenset({str(delivery_id)}),
        bodies=1,
        kills=0,
        hand_over_known=True,
        expected_to_answer=True,
        answered=True,
        acknowledgments=1,
        heard=True,
    )
    return replace(fate, **changes)


def test_nothing_is_found_where_all_is_well() -> None:
    verdict = judge([well(), well(expected_to_answer=False, answered=False, acknowledgments=0, heard=False)])
    assert verdict.deliveries == 2
    assert verdict.complaints == []
    assert verdict.duplicate_sends == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None, "delivery_id": None, "received": 0, "webhook_ids": frozenset[str](), "hand_over_known": False},
        {"state": "undeliverable"},
        {"received": 0, "webhook_ids": frozenset[str]()},
        {"webhook_ids": frozenset({str(UUID(int=1))})},
        {"hand_over_known": False},
        {"answered": False, "acknowledgments": 0, "heard": False},
        {"acknowledgments": 0},
        {"heard": False},
    ],
)
def test_what_one_side_has_and_another_has_not_is_lost(changes: dict[str, Any]) -> None:
    fate = well(**changes)
    verdict = judge([well(), fate])
    (complaint,) = verdict.complaints
    assert verdict.lost == [complaint]
    assert str(fate.recipient_id) in complaint


def test_two_acknowledgments_of_one_recipient_are_found() -> None:
    verdict = judge([well(acknowledgments=2), well()])
    assert len(verdict.acknowledged_twice) == len(verdict.complaints) == 1


@pytest.mark.parametrize(
    "changes", [{"state": "leased"}, {"state": "scheduled", "received": 0}, {"out_of_patience": True}], ids=str
)
def test_what_has_not_ended_in_time_is_stuck(changes: dict[str, Any]) -> None:
    verdict = judge([well(**changes), well()])
    assert len(verdict.stuck) == len(verdict.complaints) == 1


def test_one_send_more_for_each_kill_is_borne_and_counted() -> None:
    verdict = judge([well(received=3, kills=2), well(received=1, kills=1)])
    assert verdict.complaints == []
    assert (verdict.duplicate_sends, verdict.killed_in_flight) == (2, 3)


@pytest.mark.parametrize(
    "changes",
    [{"received": 2}, {"received": 3, "kills": 1}, {"kills": 1, "received": 2, "bodies": 2}],
    ids=["not killed", "more often than killed", "another body"],
)
def test_a_send_too_many_or_another_than_the_first_is_found(changes: dict[str, Any]) -> None:
    verdict = judge([well(**changes), well()])
    assert len(verdict.excess) == len(verdict.complaints) == 1


def test_a_second_webhook_id_is_found() -> None:
    fate = well(received=2, kills=1)
    verdict = judge([replace(fate, webhook_ids=fate.webhook_ids | {str(uuid4())})])
    assert len(verdict.excess) == len(verdict.complaints) == 1


def test_one_recipients_surplus_is_not_covered_by_anothers_kill() -> None:
    assert len(judge([well(received=2), well(received=1, kills=1)]).excess) == 1
