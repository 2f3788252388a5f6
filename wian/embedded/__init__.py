"""A private PostgreSQL and a private RabbitMQ for one run: no root, no Docker, nothing installed on the system.

    async with servers() as running:
        running.addresses.postgres_dsn, running.addresses.amqp_url

Given `WIAN_POSTGRES_DSN` or `WIAN_AMQP_URL`, that server is used and none is started in its place.
"""

from wian.embedded.errors import CommandFailed, EmbeddedServerError, ServerDidNotStart, ServerUnavailable
from wian.embedded.postgres import EmbeddedPostgres
from wian.embedded.rabbitmq import EmbeddedRabbitMQ
from wian.embedded.servers import ServerAddresses, Servers, servers

__all__ = [
    "CommandFailed",
    "EmbeddedPostgres",
    "EmbeddedRabbitMQ",
    "EmbeddedServerError",
    "ServerAddresses",
    "ServerDidNotStart",
    "ServerUnavailable",
    "Servers",
    "servers",
]
