"""PostgreSQL: the pool, the connection as stores see it, and which failures mean "try again later"."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString, Protocol

import asyncpg
import orjson

ACQUIRE_TIMEOUT: Final = 10.0

Row = asyncpg.Record
UniqueViolation = asyncpg.UniqueViolationError
ForeignKeyViolation = asyncpg.ForeignKeyViolationError

_GONE: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Full disk, memory or connections.
    asyncpg.InsufficientResourcesError,
    # The former primary after a failover.
    asyncpg.ReadOnlySQLTransactionError,
    # Another transaction won, or the statement took too long: nothing is wrong with what was asked.
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.QueryCanceledError,
    OSError,
    TimeoutError,
)


class Unavailable(Exception):  # noqa: N818 - a state of the world, not a mistake
    """The server is gone, going, starting or full: the same call may go through later."""


class Connection(Protocol):
    """What a store may do. Queries are literal strings: SQL built from data is a type error."""

    async def execute(self, query: LiteralString, *args: object) -> str: ...
    async def fetch(self, query: LiteralString, *args: object) -> list[Row]: ...
    async def fetchrow(self, query: LiteralString, *args: object) -> Row | None: ...
    async def fetchval(self, query: LiteralString, *args: object) -> Any: ...
    async def executemany(self, command: LiteralString, args: Iterable[Sequence[object]]) -> None: ...
    async def copy_records_to_table(
        self, table_name: LiteralString, *, records: Iterable[Sequence[object]], columns: Sequence[str]
    ) -> str: ...
    def cursor(self, query: LiteralString, *args: object, prefetch: int | None = None) -> Any: ...


class Database:
    """A pool of connections that work as one service's role in that service's schema."""

    def __init__(self, pool: "asyncpg.Pool[Row]") -> None:
        self._pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A connection outside any transaction: each statement commits by itself. Raises `Unavailable`."""
        async with self._acquire() as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Connection]:
        """A connection in a transaction that commits when the block ends without an exception. Raises `Unavailable`."""
        async with self._acquire() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def _acquire(self) -> "AsyncGenerator[asyncpg.pool.PoolConnectionProxy[Row]]":
        mistaken = False
        try:
            async with self._pool.acquire(timeout=ACQUIRE_TIMEOUT) as connection:
                try:
                    yield connection
                except asyncpg.InterfaceError:
                    # asyncpg reports a lost connection and a mistaken call by the same exception. Once the connection has gone back
                    # to the pool, it cannot be asked any more.
                    mistaken = not connection.is_closed()
                    raise
        except _GONE as error:
            raise Unavailable(repr(error)) from error
        except asyncpg.InternalClientError as error:
            # A connection that was lost in the middle of a statement leaves asyncpg's protocol in no state to go on.
            raise Unavailable(repr(error)) from error
        except asyncpg.InterfaceError as error:
            if mistaken:
                raise
            raise Unavailable(repr(error)) from error

    async def ping(self) -> None:
        """Returns when the server answers within two seconds; raises `Unavailable` otherwise."""
        async with asyncio.timeout(2), self._acquire() as connection:
            await connection.execute("SELECT 1")


async def _prepare_connection(connection: "asyncpg.Connection[Row]") -> None:
    await connection.set_type_codec("jsonb", encoder=_to_json, decoder=orjson.loads, schema="pg_catalog")


async def _leave_as_it_is(_connection: object) -> None:
    """In place of asyncpg's reset, a round trip after each use: no statement leaves anything in a session (a test holds them to it).

    A transaction left open is still rolled back: asyncpg does that before it calls this.
    """


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


@asynccontextmanager
async def open_database(dsn: str, *, service: str, pool_size: int) -> AsyncGenerator[Database]:
    """Open a pool whose connections take the role ``wian_<service>`` and see only the schema ``<service>``.

    The login user of `dsn` must be a member of that role (`shared.migrations` creates it).
    """
    pool = await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=pool_size,
        init=_prepare_connection,
        reset=_leave_as_it_is,
        command_timeout=30,
        timeout=10,
        server_settings={
            "role": f"wian_{service}",
            "search_path": service,
            "application_name": f"wian-{service}",
            "timezone": "UTC",
        },
    )
    try:
        yield Database(pool)
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=5)
        except TimeoutError:
            pool.terminate()


async def connect(dsn: str) -> "asyncpg.Connection[Row]":
    """One plain connection as the login user, for migrations and administration."""
    return await asyncpg.connect(dsn, timeout=10)
