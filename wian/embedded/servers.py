"""PostgreSQL and RabbitMQ for one run: those that the environment names, or private ones."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from wian.embedded.chroot import given_root
from wian.embedded.debian import check_rabbitmq_can_be_had
from wian.embedded.folders import default_home, run_folder
from wian.embedded.postgres import EmbeddedPostgres, find_installation
from wian.embedded.rabbitmq import EmbeddedRabbitMQ


@dataclass(frozen=True, slots=True)
class ServerAddresses:
    """Where the two servers listen, passwords included: never log these."""

    postgres_dsn: str
    amqp_url: str


@dataclass(frozen=True, slots=True)
class Servers:
    """What runs; a server that the environment names is not ours to stop, and None here."""

    postgres: EmbeddedPostgres | None
    rabbitmq: EmbeddedRabbitMQ | None
    addresses: ServerAddresses


@asynccontextmanager
async def servers(*, home: Path | None = None) -> AsyncGenerator[Servers, None]:
    """Both servers, started side by side, ready for connections, and gone at the end.

    `home` holds the cache and the run's private folder: `$WIAN_HOME`, else `.wian` in the checkout. A cancelled task stops the servers in order;
    a process that is killed takes them with it. Raises an EmbeddedServerError whose message says what to do.
    """
    home = default_home() if home is None else home.absolute()
    given_dsn, given_url = os.environ.get("WIAN_POSTGRES_DSN"), os.environ.get("WIAN_AMQP_URL")
    if not given_dsn:
        find_installation()
    if not given_url and given_root() is None:
        check_rabbitmq_can_be_had(home)
    if given_dsn and given_url:
        yield Servers(None, None, ServerAddresses(given_dsn, given_url))
        return
    async with run_folder(home) as run:
        postgres = None if given_dsn else EmbeddedPostgres(run)
        rabbitmq = None if given_url else EmbeddedRabbitMQ(run, home)
        ours = [server for server in (postgres, rabbitmq) if server is not None]
        try:
            await _start(ours)
            addresses = ServerAddresses(
                postgres_dsn=given_dsn or (postgres.dsn if postgres else ""),
                amqp_url=given_url or (rabbitmq.url if rabbitmq else ""),
            )
            yield Servers(postgres, rabbitmq, addresses)
        finally:
            await asyncio.gather(*(server.stop() for server in ours))


async def _start(ours: list[EmbeddedPostgres | EmbeddedRabbitMQ]) -> None:
    try:
        async with asyncio.TaskGroup() as together:
            for server in ours:
                together.create_task(server.start())
    except ExceptionGroup as group:
        # The first failure has cancelled the other start; its sentence is the one to read.
        raise group.exceptions[0] from None
