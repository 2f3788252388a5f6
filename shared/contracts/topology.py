"""The broker's topology, declared once: exchanges, queues, and which event types reach which queue."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.events import (
    AgencySaved,
    Channel,
    CircularDispatched,
    CircularErratum,
    CircularRecalled,
    CircularSuperseded,
    DeadlinesMoved,
    DeliveriesBounced,
    DeliveriesHandedOver,
    DeliveriesRecalled,
    DeliveriesUndeliverable,
    RecipientDisputeAnswered,
    RecipientDisputed,
    RecipientRegistered,
    RecipientRejected,
    RecipientsReminded,
    RecipientWithdrawn,
)

# A message that fails this often is a poison message: it goes to the dead letters, where a person sees it.
DELIVERY_LIMIT: Final = 10
# RabbitMQ 4 drops what comes back to a queue without dead letters 20 times, unless the queue says otherwise: a dead letter
# survives any number of lost connections.
NO_DELIVERY_LIMIT: Final = 1_000_000_000


class Exchange(StrEnum):
    """`events` is a topic exchange by event type; `lanes` routes batches of deliveries; `dead` takes dead letters."""

    EVENTS = "events"
    LANES = "lanes"
    DEAD = "dead"


class Lane(StrEnum):
    """Urgent letters do not queue behind long lists."""

    EXPRESS = "express"  # ด่วนที่สุด, ด่วนมาก
    NORMAL = "normal"
    BULK = "bulk"  # very long lists


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable quorum queue and the routing keys that fill it; `dead_letters`: what it gives up goes there."""

    name: str
    exchange: Exchange
    routing_keys: tuple[str, ...]
    dead_letters: bool = True


def lane_queue(lane: Lane, channel: Channel) -> str:
    """Name, and routing key on `lanes`, of the queue of one lane and channel."""
    return f"dispatch.lane.{lane}.{channel}"


REGISTRY_EVENTS: Final = "registry.events"
DISPATCH_EVENTS: Final = "dispatch.events"
ACK_EVENTS: Final = "ack.events"
DEAD_LETTERS: Final = "dead-letters"

# What a sender decides on a circular that has gone round.
AFTERWARDS: Final = (CircularRecalled.TYPE, CircularSuperseded.TYPE, CircularErratum.TYPE)

# What recipients say of a letter.
ANSWERS: Final = (RecipientRegistered.TYPE, RecipientRejected.TYPE, RecipientWithdrawn.TYPE)

# The inbox has no lane: nothing is sent, the agency pulls.
SENDING_CHANNELS: Final = (Channel.WEBHOOK, Channel.EMAIL)

QUEUES: Final[tuple[Queue, ...]] = (
    Queue(REGISTRY_EVENTS, Exchange.EVENTS, ANSWERS),
    Queue(
        DISPATCH_EVENTS,
        Exchange.EVENTS,
        (
            AgencySaved.TYPE,
            CircularDispatched.TYPE,
            *AFTERWARDS,
            *ANSWERS,
            RecipientDisputed.TYPE,
            RecipientDisputeAnswered.TYPE,
            RecipientsReminded.TYPE,
            DeadlinesMoved.TYPE,
        ),
    ),
    Queue(
        ACK_EVENTS,
        Exchange.EVENTS,
        (
            AgencySaved.TYPE,
            CircularDispatched.TYPE,
            *AFTERWARDS,
            DeliveriesHandedOver.TYPE,
            DeliveriesBounced.TYPE,
            DeliveriesUndeliverable.TYPE,
            DeliveriesRecalled.TYPE,
        ),
    ),
    *(
        Queue(lane_queue(lane, channel), Exchange.LANES, (lane_queue(lane, channel),))
        for lane in Lane
        for channel in SENDING_CHANNELS
    ),
    Queue(DEAD_LETTERS, Exchange.DEAD, ("#",), dead_letters=False),
)
