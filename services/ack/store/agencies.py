"""SQL of the agencies' copy."""

from typing import Final

from shared.contracts.events import AgencySaved
from shared.postgres import Connection

SAVE: Final = """
INSERT INTO agencies (agency_id, version, code, name_th, name_en, parent_id, contact_unit, telephone, email)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (agency_id) DO UPDATE
    SET version = excluded.version, code = excluded.code, name_th = excluded.name_th, name_en = excluded.name_en,
        parent_id = excluded.parent_id, contact_unit = excluded.contact_unit, telephone = excluded.telephone, email = excluded.email
    WHERE agencies.version < excluded.version
"""


async def save(connection: Connection, agency: AgencySaved) -> None:
    """Keep the agency as it is told; an older version than the kept one changes nothing."""
    await connection.execute(
        SAVE,
        agency.agency_id,
        agency.version,
        agency.code,
        agency.name_th,
        agency.name_en,
        agency.parent_id,
        agency.contact_unit,
        agency.telephone,
        agency.email,
    )
