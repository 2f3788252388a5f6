"""Migrations run once, in order, one process at a time; a changed file is refused."""

import asyncio
import secrets
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from shared import postgres
from shared.migrations import MigrationError, migrate, read_folder
from wian.embedded.servers import Servers


def _write(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql, encoding="utf-8")


async def test_migrations_run_once_even_when_started_twice_at_the_same_moment(database_dsn: str, tmp_path: Path) -> None:
    _write(tmp_path, "0001_create_things.sql", "CREATE TABLE things (thing_id bigint PRIMARY KEY);")
    _write(tmp_path, "0002_add_name.sql", "ALTER TABLE things ADD COLUMN name text;")
    ran = await asyncio.gather(*(migrate(database_dsn, service="sample", folder=tmp_path) for _ in range(3)))
    assert sorted(ran) == [0, 0, 4]
    async with (
        postgres.open_database(database_dsn, service="sample", pool_size=2) as database,
        database.connection() as connection,
    ):
        assert await connection.fetchval("SELECT count(*) FROM things") == 0


async def test_changed_migration_is_refused(database_dsn: str, tmp_path: Path) -> None:
    _write(tmp_path, "0001_create_things.sql", "CREATE TABLE things (thing_id bigint PRIMARY KEY);")
    await migrate(database_dsn, service="sample", folder=tmp_path)
    _write(tmp_path, "0001_create_things.sql", "CREATE TABLE things (thing_id text PRIMARY KEY);")
    with pytest.raises(MigrationError, match="changed after"):
        await migrate(database_dsn, service="sample", folder=tmp_path)


async def test_failing_migration_leaves_nothing_of_itself(database_dsn: str, tmp_path: Path) -> None:
    _write(tmp_path, "0001_create_things.sql", "CREATE TABLE things (thing_id bigint PRIMARY KEY); SELECT 1/0;")
    with pytest.raises(Exception, match="division by zero"):
        await migrate(database_dsn, service="sample", folder=tmp_path)
    _write(tmp_path, "0001_create_things.sql", "CREATE TABLE things (thing_id bigint PRIMARY KEY);")
    assert await migrate(database_dsn, service="sample", folder=tmp_path) == 1


@pytest.mark.parametrize("names", [["1_short.sql"], ["0002_begins_late.sql"], ["0001_a.sql", "0003_gap.sql"]])
def test_misnamed_migrations_are_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        _write(tmp_path, name, "SELECT 1;")
    with pytest.raises(MigrationError):
        read_folder("sample", tmp_path)


async def test_a_user_that_may_only_create_roles_can_migrate(running_servers: Servers, database_dsn: str, tmp_path: Path) -> None:
    _write(tmp_path, "0001_create_things.sql", "CREATE TABLE things (thing_id bigint PRIMARY KEY);")
    name = f"migrator_{secrets.token_hex(4)}"
    database = urlsplit(database_dsn).path.removeprefix("/")
    admin = await postgres.connect(database_dsn)
    await admin.execute(f"CREATE ROLE {name} LOGIN CREATEROLE PASSWORD 'x'; GRANT CREATE ON DATABASE {database} TO {name}")
    address = urlsplit(database_dsn)
    dsn = urlunsplit(address._replace(netloc=f"{name}:x@{address.hostname}:{address.port}"))
    service = f"s{secrets.token_hex(4)}".translate(str.maketrans("0123456789", "ghijklmnop"))
    assert await migrate(dsn, service=service, folder=tmp_path) == 3
    assert await migrate(dsn, service=service, folder=tmp_path) == 0
    await admin.execute(f"DROP OWNED BY wian_{service}; DROP SCHEMA IF EXISTS {service} CASCADE")
    await admin.close()
