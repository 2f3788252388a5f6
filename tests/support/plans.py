"""What a statement costs: its plan as PostgreSQL carried it out."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shared.postgres import Connection


@dataclass(frozen=True, slots=True)
class Plan:
    """`read`: pages of 8 KiB; `scanned`: the tables that were read from end to end; `indexes`: those that were used."""

    rows: float
    read: int
    scanned: frozenset[str]
    indexes: frozenset[str]


async def carried_out(connection: Connection, statement: str, *values: object) -> Plan:
    """Carry the statement out, and tell how."""
    query: Any = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
    explained = await connection.fetchval(query, *values)
    top = (json.loads(explained) if isinstance(explained, str) else explained)[0]["Plan"]
    nodes = list(_nodes(top))
    return Plan(
        top["Actual Rows"],
        top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"),
        frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)
