"""Every SQL statement that the code holds is accepted by the migrated schema, as its service's role."""

import ast
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import pytest

import services.ack
import services.dispatch
import services.registry
import shared
from shared import postgres

# What a session would keep when its connection goes back to the pool, which asks the server for no reset.
KEPT_BY_A_SESSION = re.compile(
    r"""^\s*(SET(?!\s+LOCAL)|LISTEN|DECLARE|PREPARE|LOAD|CREATE\s+TEMP)\b|\bWITH\s+HOLD\b
    |\bpg_(try_)?advisory_lock(_shared)?\s*\(|\bset_config\s*\([^)]*,\s*false\s*\)""",
    re.VERBOSE,
)
STATEMENT = re.compile(r"^\s*(--[^\n]*\n\s*)*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
SERVICES = {"registry": services.registry, "dispatch": services.dispatch, "ack": services.ack}


def _statements(package: ModuleType) -> dict[str, str]:
    found: dict[str, str] = {}
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and STATEMENT.match(value):
                found[f"{info.name}.{name}"] = value
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_each_statement_prepares_as_its_service(service: str, database_dsn: str) -> None:
    own, common = _statements(SERVICES[service]), _statements(shared)
    assert len(own) > 10
    assert len(common) > 4
    async with postgres.open_database(database_dsn, service=service, pool_size=2) as database:
        for name, statement in {**common, **own}.items():
            async with database._acquire() as connection:
                try:
                    await connection.prepare(statement)
                except Exception as error:
                    raise AssertionError(f"{name}: {error}") from error


@pytest.mark.parametrize(
    "statement", ["SET ROLE x", "LISTEN x", "SELECT pg_advisory_lock(1)", "DECLARE c CURSOR WITH HOLD FOR SELECT 1"]
)
def test_what_a_session_would_keep_is_known(statement: str) -> None:
    assert KEPT_BY_A_SESSION.search(statement)


def test_no_string_of_the_code_leaves_anything_in_a_session() -> None:
    strings = [
        (f"{file}:{node.lineno}", node.value)
        for folder in ("services", "shared")
        for file in Path(folder).rglob("*.py")
        # Migrations have a connection of their own.
        if "migrations" not in file.parts
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert len(strings) > 1000
    assert [place for place, string in strings if KEPT_BY_A_SESSION.search(string)] == []


async def test_a_service_cannot_read_another_services_tables(database_dsn: str) -> None:
    async with (
        postgres.open_database(database_dsn, service="registry", pool_size=2) as database,
        database.connection() as connection,
    ):
        for table in ("dispatch.outbox", "ack.outbox"):
            with pytest.raises(Exception, match="permission denied for schema"):
                await connection.fetchval(f"SELECT count(*) FROM {table}")
