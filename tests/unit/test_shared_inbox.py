"""A message that cannot be read is logged without what it said."""

from typing import Any, cast

import structlog

from shared.broker import Incoming, Verdict
from shared.inbox import EventHandler
from shared.postgres import Database


async def _log_of(body: bytes) -> dict[str, Any]:
    handler = EventHandler(cast("Database", None), consumer="test", routes={})
    with structlog.testing.capture_logs() as lines:
        assert await handler(Incoming("type", "id", body, {}, redelivered=False)) is Verdict.DEAD
    (line,) = lines
    return dict(line)


async def test_what_is_wrong_is_logged_and_not_what_was_said() -> None:
    line = await _log_of('{"source": 7, "type": "x", "data": "เรื่องลับ"}'.encode())
    assert line["error"] == "source: string_type"
    assert "ลับ" not in str(line)


async def test_an_unknown_type_is_named() -> None:
    line = await _log_of(b'{"source": "s", "type": "registry.nothing.done.v1", "data": {}}')
    assert line["error"] == "no such type: registry.nothing.done.v1"
