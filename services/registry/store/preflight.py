"""SQL of the check before dispatch: suspects among the addressees, headings of attachments, overrides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.registry.preflight.facts import AddresseeFacts, Suspect, Suspects
from services.registry.preflight.findings import MOST_SHOWN
from shared.postgres import Connection, Row

# $1 names a list that is still to be frozen, or $2 the circular whose recipients are. Each suspicion is one pass over the list;
# its first rows come with the count of all. Titles are compared without spaces, invisible characters and the kind of digits.
SUSPECTS: Final = r"""
WITH addressees AS MATERIALIZED (
    SELECT position, title, agency_id FROM list_addressees WHERE list_id = $1
    UNION ALL
    SELECT position, title, agency_id FROM recipients WHERE circular_id = $2
), compared AS MATERIALIZED (
    SELECT position, title, translate(replace(title, U&'\0E4D\0E32', U&'\0E33'), U&'๐๑๒๓๔๕๖๗๘๙ \200B\200C\200D\FEFF', '0123456789') AS same
    FROM addressees
), repeated AS (
    SELECT position, title, first_value(position) OVER (PARTITION BY same ORDER BY position) AS first FROM compared
), suspects AS (
    SELECT 'repeated' AS what, position, title, 'also entry ' || first AS detail FROM repeated WHERE first <> position
    UNION ALL
    SELECT 'without_channel', r.position, r.title, a.code
    FROM addressees r JOIN agencies a ON a.agency_id = r.agency_id WHERE a.email IS NULL
    UNION ALL
    SELECT 'not_saraban', r.position, r.title, a.email
    FROM addressees r JOIN agencies a ON a.agency_id = r.agency_id
    WHERE a.email IS NOT NULL AND NOT starts_with(lower(a.email), 'saraban') AND NOT a.kind = ANY ($3::text[])
    UNION ALL
    SELECT 'closed', r.position, r.title, a.code FROM addressees r JOIN agencies a ON a.agency_id = r.agency_id
    WHERE a.valid_until <= (now() AT TIME ZONE 'Asia/Bangkok')::date
    UNION ALL
    SELECT 'decomposed', position, title, '' FROM addressees WHERE strpos(title, U&'\0E4D\0E32') > 0
), ranked AS (
    SELECT what, position, title, detail, row_number() OVER (PARTITION BY what ORDER BY position) AS nth,
        count(*) OVER (PARTITION BY what) AS found
    FROM suspects
)
SELECT 'total' AS what, 0 AS position, '' AS title, '' AS detail, count(*) AS found FROM addressees
UNION ALL
SELECT what, position, title, detail, found FROM ranked WHERE nth <= $4
ORDER BY what, position
"""

RELAYED: Final = """
SELECT l.number, l.content FROM recipients r
JOIN circulars c ON c.circular_id = r.circular_id
JOIN letters l ON l.letter_id = c.letter_id
WHERE r.recipient_id = $1
"""

HEADINGS: Final = """
SELECT h.headings FROM attachments a JOIN attachment_headings h ON h.attachment_id = a.attachment_id
WHERE a.letter_id = $1 ORDER BY a.position
"""

UNREAD: Final = """
SELECT a.attachment_id, a.file_id, a.media_type FROM attachments a
WHERE a.letter_id = $1 AND a.media_type = ANY ($2::text[]) AND a.size <= $3
    AND NOT EXISTS (SELECT FROM attachment_headings h WHERE h.attachment_id = a.attachment_id)
ORDER BY a.position LIMIT 20
"""

KEEP_HEADINGS: Final = """
INSERT INTO attachment_headings (attachment_id, headings)
SELECT attachment_id, $2 FROM attachments WHERE attachment_id = $1 ON CONFLICT DO NOTHING
"""

KEEP_OVERRIDE: Final = "INSERT INTO dispatch_overrides (circular_id, client_id, reason, findings) VALUES ($1, $2, $3, $4)"

# By its name, or by the title under which one of the caller's own lists has it.
MATCHES: Final = """
WITH wanted AS (SELECT DISTINCT unnest($1::text[]) AS title)
SELECT w.title, a.code FROM wanted w JOIN agencies a ON a.name_th = w.title
UNION
SELECT w.title, a.code FROM wanted w
JOIN list_addressees l ON l.title = w.title
JOIN lists o ON o.list_id = l.list_id AND o.agency_id = $2
JOIN agencies a ON a.agency_id = l.agency_id
ORDER BY title, code
"""


@dataclass(frozen=True, slots=True)
class Unread:
    """An attachment whose text nobody has read, and the file that it is."""

    attachment_id: UUID
    file_id: UUID
    media_type: str


@dataclass(frozen=True, slots=True)
class RelayedLetter:
    """The letter that another one passes on."""

    number: str
    content: dict[str, Any]


async def addressee_facts(
    connection: Connection, *, list_id: UUID | None, circular_id: UUID | None, kinds_without_saraban: Sequence[str]
) -> AddresseeFacts:
    """What is suspicious about the addressees of a list, or about the recipients of a circular."""
    rows = await connection.fetch(SUSPECTS, list_id, circular_id, list(kinds_without_saraban), MOST_SHOWN)
    return AddresseeFacts(
        total=next(row["found"] for row in rows if row["what"] == "total"),
        repeated=_suspects(rows, "repeated"),
        without_channel=_suspects(rows, "without_channel"),
        not_saraban=_suspects(rows, "not_saraban"),
        closed=_suspects(rows, "closed"),
        decomposed=_suspects(rows, "decomposed"),
    )


async def relayed(connection: Connection, recipient_id: UUID) -> RelayedLetter | None:
    """The letter that went to this recipient."""
    row = await connection.fetchrow(RELAYED, recipient_id)
    return None if row is None else RelayedLetter(row["number"], row["content"])


async def headings(connection: Connection, letter_id: UUID) -> list[dict[str, Any]]:
    """What was read on the letter's attachments."""
    return [row["headings"] for row in await connection.fetch(HEADINGS, letter_id)]


async def unread(connection: Connection, letter_id: UUID, media_types: Sequence[str], most: int) -> list[Unread]:
    """The attachments of these types, of at most `most` bytes, that nobody has read yet."""
    rows = await connection.fetch(UNREAD, letter_id, list(media_types), most)
    return [Unread(row["attachment_id"], row["file_id"], row["media_type"]) for row in rows]


async def keep_headings(connection: Connection, attachment_id: UUID, found: dict[str, Any]) -> None:
    """Keep what was read on an attachment; one that was removed meanwhile is passed over."""
    await connection.execute(KEEP_HEADINGS, attachment_id, found)


async def keep_override(
    connection: Connection, *, circular_id: UUID, client_id: str, reason: str, findings: list[dict[str, Any]]
) -> None:
    """Record what was overruled with an order."""
    await connection.execute(KEEP_OVERRIDE, circular_id, client_id, reason, findings)


async def matches(connection: Connection, agency_id: UUID, titles: Sequence[str]) -> dict[str, list[str]]:
    """The codes of the agencies that go by each title, as far as one does."""
    found: dict[str, list[str]] = {}
    for row in await connection.fetch(MATCHES, list(titles), agency_id):
        found.setdefault(row["title"], []).append(row["code"])
    return found


def _suspects(rows: Sequence[Row], what: str) -> Suspects:
    own = [row for row in rows if row["what"] == what]
    first = tuple(Suspect(row["position"], row["title"], row["detail"]) for row in own)
    return Suspects(own[0]["found"] if own else 0, first)
