"""Real PostgreSQL and RabbitMQ for the whole session; a fresh database and broker namespace for each test."""

import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.broker import delete_topology
from shared.migrations import migrate
from tests.support.tokens import TokenIssuer
from wian.embedded.servers import Servers, servers

SERVICES_FOLDER = Path(__file__).parent.parent / "services"
SERVICES = ("registry", "dispatch", "ack")


def _with_database(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


@pytest.fixture(scope="session")
async def running_servers() -> AsyncGenerator[Servers]:
    async with servers() as running:
        yield running


async def _administer(dsn: str, command: str) -> None:
    # A connection for each command: tests stop and kill the server.
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(command)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
async def template_database(running_servers: Servers) -> AsyncGenerator[str]:
    """Name of a database with all migrations applied, from which each test's own is copied."""
    dsn = running_servers.addresses.postgres_dsn
    name = f"wian_template_{secrets.token_hex(4)}"
    await _administer(dsn, f"CREATE DATABASE {name}")
    for service in SERVICES:
        await migrate(_with_database(dsn, name), service=service, folder=SERVICES_FOLDER / service / "migrations")
    yield name
    await _administer(dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database_dsn(running_servers: Servers, template_database: str) -> AsyncGenerator[str]:
    """A fresh, migrated database."""
    dsn = running_servers.addresses.postgres_dsn
    name = f"wian_test_{secrets.token_hex(4)}"
    await _administer(dsn, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    yield _with_database(dsn, name)
    await _administer(dsn, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def amqp_url(running_servers: Servers) -> str:
    return running_servers.addresses.amqp_url


@pytest.fixture
async def broker_namespace(amqp_url: str) -> AsyncGenerator[str]:
    """A prefix of its own for the test's exchanges and queues, which are removed afterwards."""
    namespace = f"test-{secrets.token_hex(4)}"
    yield namespace
    await delete_topology(amqp_url, namespace)


@pytest.fixture
def settings_environment(database_dsn: str, amqp_url: str, broker_namespace: str) -> dict[str, str]:
    """Values for any service's settings class: ``Settings(**settings_environment, more=...)``."""
    return {
        "postgres_dsn": database_dsn,
        "amqp_url": amqp_url,
        "broker_namespace": broker_namespace,
        "link_key": "k" * 43,
        "public_url": "http://wian.test",
        "outbox_poll_interval": "0.02",
    }


@pytest.fixture(scope="session", autouse=True)
def spans() -> InMemorySpanExporter:
    """Every span that ends in this process; OpenTelemetry takes one provider a process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture(scope="session")
def token_issuer() -> TokenIssuer:
    return TokenIssuer()
