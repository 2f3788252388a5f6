"""SQL of what senders decide on circulars that have gone round: successions and errata."""

from typing import Final

from shared.contracts.events import CircularErratum, CircularSuperseded
from shared.postgres import Connection

ADD_SUCCESSION: Final = """
INSERT INTO successions (circular_id, successor_circular_id, successor_letter_id, successor_number, fields, superseded_at)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (circular_id) DO NOTHING
"""

ADD_ERRATUM: Final = """
INSERT INTO errata (circular_id, number, text, fields, issued_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (circular_id, number) DO NOTHING
"""


async def add_succession(connection: Connection, event: CircularSuperseded) -> None:
    """Keep which letter took the circular's place, and the names of the fields that changed."""
    await connection.execute(
        ADD_SUCCESSION,
        event.circular_id,
        event.successor_circular_id,
        event.successor_letter_id,
        event.successor_number,
        [change.field for change in event.changes],
        event.superseded_at,
    )


async def add_erratum(connection: Connection, event: CircularErratum) -> None:
    """Keep a note that corrects the circular."""
    await connection.execute(ADD_ERRATUM, event.circular_id, event.erratum, event.text, list(event.fields), event.issued_at)
