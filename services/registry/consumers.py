"""AMQP in: acknowledgments, from the queue of the registry's events."""

from services.registry.bookkeeping import enter_acknowledged, withdraw_acknowledged
from services.registry.redirecting import note_rejection
from services.registry.withdrawing import note_receipt
from shared.broker import Handler
from shared.contracts.events import RecipientRegistered, RecipientRejected, RecipientWithdrawn
from shared.contracts.topology import REGISTRY_EVENTS
from shared.inbox import EventHandler, Meta, route
from shared.postgres import Connection, Database


def event_handler(database: Database) -> Handler:
    """The handler of the queue `registry.events`."""
    routes = dict(
        (
            route(RecipientRegistered, acknowledged),
            route(RecipientRejected, note_rejection),
            route(RecipientWithdrawn, withdrawn),
        )
    )
    return EventHandler(database, consumer=REGISTRY_EVENTS, routes=routes)


async def acknowledged(connection: Connection, event: RecipientRegistered, meta: Meta) -> None:
    """Enter the letter into the receiving agency's book, and note that a recall comes too late for it."""
    await enter_acknowledged(connection, event)
    await note_receipt(connection, event, meta)


async def withdrawn(connection: Connection, event: RecipientWithdrawn, _meta: Meta) -> None:
    """The agency took its answer back: its book says so."""
    await withdraw_acknowledged(connection, event)
