"""What the kills did, as a pure judgement: each recipient's fate, from what all sides say of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

OPEN: Final = ("scheduled", "leased")


@dataclass(frozen=True, slots=True)
class Fate:
    """One recipient in the end.

    `state` and `delivery_id` are dispatch's (None: it has no delivery). `webhook_ids` and `bodies` are what the receiver saw
    for the recipient, without requests that it refused on purpose, and `received` how many they were. `kills` counts how often
    a worker was killed while it held the delivery. `answered` tells that ack took the acknowledgment with a 200;
    `acknowledgments` is how many count in ack's log or were told to others, and `heard` whether dispatch was told.
    """

    recipient_id: UUID
    delivery_id: UUID | None
    state: str | None
    received: int
    webhook_ids: frozenset[str]
    bodies: int
    kills: int
    hand_over_known: bool
    expected_to_answer: bool
    answered: bool
    acknowledgments: int
    heard: bool
    out_of_patience: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found; each entry names a recipient and says what is wrong."""

    deliveries: int
    lost: Sequence[str]
    acknowledged_twice: Sequence[str]
    stuck: Sequence[str]
    excess: Sequence[str]
    duplicate_sends: int
    killed_in_flight: int

    @property
    def complaints(self) -> list[str]:
        return [*self.lost, *self.acknowledged_twice, *self.stuck, *self.excess]


def judge(fates: Iterable[Fate]) -> Verdict:
    """Lost, acknowledged twice, stuck, or sent again more often than its worker was killed: none of it may be."""
    fates = list(fates)
    return Verdict(
        deliveries=len(fates),
        lost=[_named(fate, why) for fate in fates if (why := _lost(fate))],
        acknowledged_twice=[
            _named(fate, f"acknowledged {fate.acknowledgments} times") for fate in fates if fate.acknowledgments > 1
        ],
        stuck=[_named(fate, f"stuck: {fate.state}") for fate in fates if _is_stuck(fate)],
        excess=[_named(fate, why) for fate in fates if (why := _excess(fate))],
        duplicate_sends=sum(_surplus(fate) for fate in fates),
        killed_in_flight=sum(fate.kills for fate in fates),
    )


def _is_stuck(fate: Fate) -> bool:
    return fate.state in OPEN or (fate.out_of_patience and fate.state is not None)


def _lost(fate: Fate) -> str | None:
    """Why the recipient's letter or its answer is lost; None when it is not, or is stuck."""
    if fate.state is None:
        return "lost: dispatch has no delivery"
    if fate.state in OPEN:
        return None
    if fate.state != "handed_over":
        return f"lost: {fate.state}, though the endpoint answers"
    if str(fate.delivery_id) not in fate.webhook_ids:
        return "lost: handed over, but the receiver has not seen its webhook id"
    if not fate.hand_over_known:
        return "lost: ack does not know of the hand-over"
    if not fate.expected_to_answer:
        return None
    if not fate.answered:
        return "lost: the acknowledgment was never taken"
    if not fate.acknowledgments:
        return "lost: the acknowledgment was taken and is not there"
    return None if fate.heard else "lost: dispatch was not told of the acknowledgment"


def _surplus(fate: Fate) -> int:
    return max(0, fate.received - 1)


def _excess(fate: Fate) -> str | None:
    if _surplus(fate) > fate.kills:
        return f"sent {fate.received} times, and its worker was killed {fate.kills} times"
    if len(fate.webhook_ids) > 1:
        return f"sent under {len(fate.webhook_ids)} webhook ids: {', '.join(sorted(fate.webhook_ids))}"
    return f"sent with {fate.bodies} different bodies" if fate.bodies > 1 else None


def _named(fate: Fate, what: str) -> str:
    return f"recipient {fate.recipient_id}, delivery {fate.delivery_id}: {what}"
