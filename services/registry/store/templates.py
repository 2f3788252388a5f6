"""SQL of letter templates."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from shared.postgres import Connection, Row

INSERT: Final = """
INSERT INTO letter_templates (template_id, agency_id, name, content) VALUES ($1, $2, $3, $4)
ON CONFLICT ON CONSTRAINT letter_templates_name_unique DO NOTHING
RETURNING template_id, name, content, version, updated_at
"""

UPDATE: Final = """
UPDATE letter_templates SET name = $2, content = $3, version = version + 1, updated_at = now() WHERE template_id = $1
RETURNING template_id, name, content, version, updated_at
"""

GET: Final = """
SELECT template_id, name, content, version, updated_at FROM letter_templates WHERE template_id = $1 AND agency_id = $2
"""

GET_FOR_UPDATE: Final = """
SELECT template_id, name, content, version, updated_at FROM letter_templates
WHERE template_id = $1 AND agency_id = $2 FOR UPDATE
"""

ID_BY_NAME: Final = "SELECT template_id FROM letter_templates WHERE agency_id = $1 AND name = $2"

PAGE: Final = """
SELECT template_id, name, content, version, updated_at FROM letter_templates
WHERE agency_id = $1 AND ($2::text IS NULL OR name > $2) ORDER BY name LIMIT $3
"""

DELETE: Final = "DELETE FROM letter_templates WHERE template_id = $1"


@dataclass(frozen=True, slots=True)
class Template:
    """The recurring parts of letters; `content` holds the fields of a draft that it sets, in JSON values."""

    template_id: UUID
    name: str
    content: dict[str, Any]
    version: int
    updated_at: datetime


async def insert(
    connection: Connection, template_id: UUID, agency_id: UUID, name: str, content: dict[str, Any]
) -> Template | None:
    """Store a template; None when the agency has one of that name."""
    row = await connection.fetchrow(INSERT, template_id, agency_id, name, content)
    return None if row is None else _template(row)


async def update(connection: Connection, template_id: UUID, name: str, content: dict[str, Any]) -> Template:
    """Put another name and content in place of those of a template that the caller has locked."""
    row = await connection.fetchrow(UPDATE, template_id, name, content)
    if row is None:
        raise LookupError("a locked template cannot vanish")
    return _template(row)


async def get(connection: Connection, template_id: UUID, agency_id: UUID) -> Template | None:
    """The template, if it is this agency's."""
    row = await connection.fetchrow(GET, template_id, agency_id)
    return None if row is None else _template(row)


async def get_for_update(connection: Connection, template_id: UUID, agency_id: UUID) -> Template | None:
    """The template, if it is this agency's; nobody else changes it until the transaction ends."""
    row = await connection.fetchrow(GET_FOR_UPDATE, template_id, agency_id)
    return None if row is None else _template(row)


async def id_by_name(connection: Connection, agency_id: UUID, name: str) -> UUID | None:
    """The agency's template of that name."""
    return await connection.fetchval(ID_BY_NAME, agency_id, name)


async def page(connection: Connection, agency_id: UUID, *, after: str | None, limit: int) -> list[Template]:
    """Up to `limit` of the agency's templates, by name."""
    return [_template(row) for row in await connection.fetch(PAGE, agency_id, after, limit)]


async def delete(connection: Connection, template_id: UUID) -> None:
    """Forget a template; letters that were written from it stay as they are."""
    await connection.execute(DELETE, template_id)


def _template(row: Row) -> Template:
    return Template(row["template_id"], row["name"], row["content"], row["version"], row["updated_at"])
