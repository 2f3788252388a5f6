"""AMQP in: acknowledgments, from the queue of the registry's events."""

from services.registry.bookkeeping import enter_acknowledged
from shared.broker import Handler
from shared.contracts.events import RecipientRegistered
from shared.contracts.topology import REGISTRY_EVENTS
from shared.inbox import EventHandler, Meta, route
from shared.postgres import Connection, Database


def event_handler(database: Database) -> Handler:
    """The handler of the queue `registry.events`."""
    return EventHandler(database, consumer=REGISTRY_EVENTS, routes=dict([route(RecipientRegistered, acknowledged)]))


async def acknowledged(connection: Connection, event: RecipientRegistered, _meta: Meta) -> None:
    """Enter the letter into the receiving agency's book."""
    await enter_acknowledged(connection, event)
