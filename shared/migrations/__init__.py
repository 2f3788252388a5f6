"""Migrations: numbered SQL files, applied once each, in order, one at a time, under a lock."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from shared import postgres

_FILE_NAME: Final = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_SERVICE: Final = re.compile(r"^[a-z]{1,20}$")
# Any constant will do; it only has to be the same in every process that migrates.
_ADVISORY_LOCK: Final = 0x5749414E
SHARED_FOLDER: Final = Path(__file__).parent

log = structlog.stdlib.get_logger(__name__)


class MigrationError(Exception):
    """A migration file is misnamed, missing or was changed after it had been applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `source` is the folder's owner ("shared" or the service), `checksum` the SHA-256 of its text."""

    source: str
    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_folder(source: str, folder: Path) -> list[Migration]:
    """The migrations in `folder`, in order; their numbers must run from 1 without a gap."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.match(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: a migration is named NNNN_verb_noun.sql")
        found.append(Migration(source, int(match[1]), match[2], path.read_text(encoding="utf-8")))
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise MigrationError(f"{source}: migration numbers must run from 0001 without a gap")
    return found


async def migrate(dsn: str, *, service: str, folder: Path) -> int:
    """Bring the schema `service` up to date and return how many migrations ran.

    Creates the schema and the role ``wian_<service>`` that owns it. Safe to call from several processes at once.
    """
    if not _SERVICE.match(service):
        raise MigrationError(f"{service!r} is not a service's name")
    pending = [*read_folder("shared", SHARED_FOLDER), *read_folder(service, folder)]
    connection = await postgres.connect(dsn)
    try:
        await connection.execute("SET lock_timeout = '60s'")
        await connection.execute("SELECT pg_advisory_lock($1)", _ADVISORY_LOCK)
        await _create_schema(connection, service)
        await connection.execute("SET lock_timeout = '4s'; SET statement_timeout = '60s'")
        ran = 0
        for migration in pending:
            ran += await _apply(connection, service, migration)
        return ran
    finally:
        await connection.close()


async def _create_schema(connection: "postgres.asyncpg.Connection[postgres.Row]", service: str) -> None:
    # Roles belong to the whole server, so two databases may create one at the same moment. A role made by a user that is no
    # superuser is its to administer but, from PostgreSQL 16 on, not to take, until it is granted.
    await connection.execute(f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wian_{service}') THEN
                CREATE ROLE wian_{service} NOLOGIN;
                EXECUTE format('GRANT wian_{service} TO %I', current_user);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
        CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION wian_{service};
        SET ROLE wian_{service};
        SET search_path = {service};
        CREATE TABLE IF NOT EXISTS schema_migrations (
            source text NOT NULL, version integer NOT NULL, name text NOT NULL, checksum text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (source, version));
    """)


async def _apply(connection: "postgres.asyncpg.Connection[postgres.Row]", service: str, migration: Migration) -> int:
    applied = await connection.fetchval(
        "SELECT checksum FROM schema_migrations WHERE source = $1 AND version = $2", migration.source, migration.version
    )
    if applied == migration.checksum:
        return 0
    if applied is not None:
        raise MigrationError(
            f"{service}: {migration.source}/{migration.version:04}_{migration.name} was changed after it had been applied; "
            "write a new migration instead"
        )
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (source, version, name, checksum) VALUES ($1, $2, $3, $4)",
            migration.source,
            migration.version,
            migration.name,
            migration.checksum,
        )
    log.info("migration applied", service=service, source=migration.source, version=migration.version, name=migration.name)
    return 1
