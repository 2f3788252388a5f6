"""What every application answers: problems with codes, truthful health, one trace, and logs without credentials."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from fastapi import Depends, FastAPI
from opentelemetry import trace
from pydantic import BaseModel, Field

from shared import postgres
from shared.access import Principal, Scope, needs
from shared.inbox import KEPT, Pruner
from shared.postgres import Database
from shared.runtime import HttpServer, run_workers
from shared.web import DatabaseProbe, add_health_routes, create_app
from tests.support.eventually import eventually
from tests.support.tokens import TokenIssuer
from wian.embedded.servers import Servers


class Part(BaseModel):
    size: Annotated[int, Field(alias="a/b~c")]


class Left(BaseModel):
    kind: Literal["left"]
    size: int


class Right(BaseModel):
    kind: Literal["right"]


class Body(BaseModel):
    count: int
    parts: list[Part] = []
    choice: Annotated[Left | Right, Field(discriminator="kind")] | None = None
    either: int | list[int] = 1


@pytest.fixture
def app(token_issuer: TokenIssuer) -> FastAPI:
    app = create_app("test", verifier=token_issuer.verifier())

    @app.post("/v1/things")
    async def make(
        body: Body, _caller: Annotated[Principal, Depends(needs(Scope.LETTERS_WRITE))], limit: int = 1
    ) -> dict[str, int]:
        assert limit
        return {"count": body.count}

    @app.get("/v1/trace")
    async def traced() -> dict[str, str]:
        return {"trace": format(trace.get_current_span().get_span_context().trace_id, "032x")}

    @app.get("/v1/broken")
    async def broken() -> None:
        raise RuntimeError("an inner detail")

    return app


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://wian.test")


async def test_invalid_body_names_the_field(app: FastAPI, token_issuer: TokenIssuer) -> None:
    async with _client(app) as http:
        headers = token_issuer.headers(uuid4(), Scope.LETTERS_WRITE)
        answer = await http.post("/v1/things", json={"count": "many"}, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "request_invalid"
    assert problem["errors"][0]["pointer"] == "/count"
    assert problem["remedy"]["th"]


@pytest.mark.parametrize(
    ("body", "query", "pointer"),
    [
        ({"count": 1, "parts": [{"a/b~c": 1}, {"a/b~c": "one"}]}, "", "/parts/1/a~1b~0c"),
        ({"parts": []}, "", "/count"),
        ({"count": 1, "choice": {"kind": "left", "size": "large"}}, "", "/choice/size"),
        ({"count": 1, "choice": {"kind": "left"}}, "", "/choice/size"),
        ({"count": 1, "choice": {"kind": "middle"}}, "", "/choice"),
        ({"count": 1, "either": "neither"}, "", "/either"),
        ([], "", ""),
        ("{", "", ""),
        ({"count": 1}, "?limit=many", "query limit"),
    ],
)
async def test_a_fault_is_pointed_at_where_the_sender_wrote_it(
    app: FastAPI, token_issuer: TokenIssuer, body: object, query: str, pointer: str
) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {**token_issuer.headers(uuid4(), Scope.LETTERS_WRITE), "Content-Type": "application/json"}
    async with _client(app) as http:
        answer = await http.post(f"/v1/things{query}", content=content, headers=headers)
    assert answer.status_code == 422, answer.text
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("PATCH", "/v1/things", 405, "method_not_allowed"),
        ("POST", "/v1/things", 401, "token_invalid"),
    ],
)
async def test_refusals_are_problems(app: FastAPI, method: str, path: str, status: int, code: str) -> None:
    async with _client(app) as http:
        answer = await http.request(method, path, json={"count": 1})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_missing_scope_is_named(app: FastAPI, token_issuer: TokenIssuer) -> None:
    async with _client(app) as http:
        answer = await http.post("/v1/things", json={"count": 1}, headers=token_issuer.headers(uuid4(), Scope.LETTERS_READ))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert "letters:write" in answer.json()["detail"]


async def test_an_error_of_ours_shows_a_trace_id_and_no_detail(app: FastAPI) -> None:
    async with _client(app) as http:
        answer = await http.get("/v1/broken")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert "inner detail" not in answer.text
    assert "trace_id" in answer.json()["detail"]


async def test_the_callers_trace_is_continued(app: FastAPI) -> None:
    trace_id = uuid4().hex
    async with _client(app) as http:
        answer = await http.get("/v1/trace", headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
    assert answer.json() == {"trace": trace_id}


async def test_readiness_is_false_while_the_database_is_away(running_servers: Servers, database_dsn: str, app: FastAPI) -> None:
    server = running_servers.postgres
    assert server is not None
    async with postgres.open_database(database_dsn, service="ack", pool_size=2) as database:
        _add_database_route(app, database)
        add_health_routes(app, [DatabaseProbe(database)])
        async with _client(app) as http:
            assert (await http.get("/readyz")).status_code == 200
            await server.kill()
            away = await http.get("/readyz")
            assert away.status_code == 503
            assert "PostgreSQL" in away.json()["checks"]["database"]
            refused = await http.get("/v1/count")
            assert (refused.status_code, refused.json()["code"]) == (503, "temporarily_unavailable")
            assert refused.headers["retry-after"] == "2"
            assert (await http.get("/livez")).status_code == 200
            await server.start()
            await eventually(lambda: http.get("/readyz"), lambda answer: answer.status_code == 200)


def _add_database_route(app: FastAPI, database: Database) -> None:
    @app.get("/v1/count")
    async def count() -> int:
        async with database.connection() as connection:
            return await connection.fetchval("SELECT count(*) FROM outbox")


async def test_server_stops_when_asked_and_a_failed_worker_ends_the_process() -> None:
    class Failing:
        name = "failing"

        async def run(self, stop: asyncio.Event) -> None:
            await asyncio.sleep(0)
            raise ValueError("broken")

    stop = asyncio.Event()
    http = HttpServer(FastAPI(), host="127.0.0.1", port=0)
    serving = asyncio.create_task(run_workers([http], stop, grace=2))
    await http.started.wait()
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{http.port}/")).status_code == 404
    stop.set()
    await asyncio.wait_for(serving, 5)
    with pytest.raises(ExceptionGroup) as failure:
        await run_workers([Failing()], asyncio.Event(), grace=1)
    assert isinstance(failure.value.exceptions[0], ValueError)


async def test_body_that_is_too_large_is_refused_however_it_is_sent(app: FastAPI, token_issuer: TokenIssuer) -> None:
    async def pieces() -> AsyncGenerator[bytes]:
        for _ in range(80):
            yield b" " * 1024

    headers = {**token_issuer.headers(uuid4(), Scope.LETTERS_WRITE), "Content-Type": "application/json"}
    async with _client(app) as http:
        whole = await http.post("/v1/things", content=b" " * 80 * 1024, headers=headers)
        in_pieces = await http.post("/v1/things", content=pieces(), headers=headers)
    for answer in (whole, in_pieces):
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_inbox_marks_are_forgotten_when_old_enough(database_dsn: str) -> None:
    async with postgres.open_database(database_dsn, service="ack", pool_size=2) as database:
        async with database.connection() as connection:
            await connection.executemany(
                "INSERT INTO inbox (consumer, message_id, applied_at) VALUES ('test', $1, now() - $2::interval)",
                [(uuid4(), KEPT + timedelta(hours=1)), (uuid4(), KEPT - timedelta(hours=1))],
            )
        await Pruner(database).run_once()
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM inbox") == 1


async def test_a_demoted_primary_is_away_and_no_fault_of_the_message(database_dsn: str) -> None:
    async with postgres.open_database(database_dsn, service="ack", pool_size=2) as database:
        with pytest.raises(postgres.Unavailable):
            async with database.transaction() as connection:
                await connection.execute("SET TRANSACTION READ ONLY")
                await connection.execute("INSERT INTO inbox (consumer, message_id) VALUES ('test', $1)", uuid4())


async def test_the_loser_of_a_deadlock_may_try_again(database_dsn: str) -> None:
    async with postgres.open_database(database_dsn, service="ack", pool_size=3) as database:
        first, second = uuid4(), uuid4()
        async with database.connection() as connection:
            for message in (first, second):
                await connection.execute("INSERT INTO inbox (consumer, message_id) VALUES ('test', $1)", message)
        both_hold_one = asyncio.Barrier(2)

        async def lock(*messages: UUID) -> None:
            async with database.transaction() as connection:
                await connection.fetchval("SELECT 1 FROM inbox WHERE message_id = $1 FOR UPDATE", messages[0])
                await both_hold_one.wait()
                await connection.fetchval("SELECT 1 FROM inbox WHERE message_id = $1 FOR UPDATE", messages[1])

        outcomes = await asyncio.gather(lock(first, second), lock(second, first), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "Unavailable"]


async def test_a_connection_that_is_lost_within_a_transaction_means_that_the_database_is_away(database_dsn: str) -> None:
    async with postgres.open_database(database_dsn, service="ack", pool_size=2) as database:
        with pytest.raises(postgres.Unavailable):
            async with database.transaction() as connection:
                backend = await connection.fetchval("SELECT pg_backend_pid()")
                admin = await postgres.connect(database_dsn)
                await admin.execute("SELECT pg_terminate_backend($1)", backend)
                await admin.close()
                while True:
                    await connection.execute("SELECT 1")


async def test_a_mistaken_call_is_no_outage(database_dsn: str) -> None:
    async with postgres.open_database(database_dsn, service="ack", pool_size=2) as database:
        with pytest.raises(asyncpg.DataError):
            async with database.transaction() as connection:
                await connection.fetchval("SELECT $1::uuid", "no uuid")
