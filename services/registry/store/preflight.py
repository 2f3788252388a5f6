"""SQL of the check before dispatch: suspects among the addressees, headings of attachments, overrides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from services.registry.domain.resolution import Resolved
from services.registry.preflight.facts import AddresseeFacts, Suspect, Suspects
from services.registry.preflight.findings import MOST_SHOWN
from shared.postgres import Connection, Row

# $1 to $3 are what a list resolves to, in order, or $4 names the circular whose recipients are frozen. Of each suspicion the
# first rows come, with the count of all. A list is looked through with its agencies once: most of it is not suspicious. Titles are compared without spaces, invisible characters and the kind of
# digits. What is closed on the day $6 and still here has nobody who follows it, or several.
SUSPECTS: Final = r"""
WITH addressees AS MATERIALIZED (
    SELECT given.position, given.title, given.agency_id, given.succeeded_agency_id
    FROM unnest($1::text[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS given (title, agency_id, succeeded_agency_id, position)
    UNION ALL
    SELECT position, title, agency_id, succeeded_agency_id FROM recipients WHERE circular_id = $4
), compared AS MATERIALIZED (
    SELECT position, title, translate(replace(title, U&'\0E4D\0E32', U&'\0E33'), U&'๐๑๒๓๔๕๖๗๘๙ \200B\200C\200D\FEFF', '0123456789') AS same
    FROM addressees
), repeated AS (
    SELECT same, min(position) AS first FROM compared GROUP BY same HAVING count(*) > 1
), suspected AS MATERIALIZED (
    SELECT r.position, r.title, r.succeeded_agency_id, a.code, a.name_th, a.kind, a.email, a.valid_until, a.successor_ids
    FROM addressees r JOIN agencies a ON a.agency_id = r.agency_id
    WHERE a.email IS NULL OR NOT starts_with(lower(a.email), 'saraban') OR a.valid_until <= $6 OR r.succeeded_agency_id IS NOT NULL
), suspects AS (
    SELECT 'repeated' AS what, c.position, c.title, 'also entry ' || r.first AS detail
    FROM compared c JOIN repeated r ON r.same = c.same AND r.first <> c.position
    UNION ALL
    SELECT 'without_channel', position, title, code FROM suspected WHERE email IS NULL
    UNION ALL
    SELECT 'not_saraban', position, title, email FROM suspected
    WHERE email IS NOT NULL AND NOT starts_with(lower(email), 'saraban') AND NOT kind = ANY ($5::text[])
    UNION ALL
    SELECT 'closed', position, title, concat_ws(', followed by ', code, (
        SELECT string_agg(s.code, ' or ' ORDER BY s.code) FROM agencies s WHERE s.agency_id = ANY (suspected.successor_ids)
    ))
    FROM suspected WHERE valid_until <= $6
    UNION ALL
    SELECT 'succeeded', r.position, r.title, format('%s (%s) gets it in place of %s (%s)', r.name_th, r.code, p.name_th, p.code)
    FROM suspected r JOIN agencies p ON p.agency_id = r.succeeded_agency_id
    UNION ALL
    SELECT 'decomposed', position, title, '' FROM addressees WHERE strpos(title, U&'\0E4D\0E32') > 0
), ranked AS (
    SELECT what, position, title, detail, row_number() OVER (PARTITION BY what ORDER BY position) AS nth,
        count(*) OVER (PARTITION BY what) AS found
    FROM suspects
)
SELECT 'total' AS what, 0 AS position, '' AS title, '' AS detail, count(*) AS found FROM addressees
UNION ALL
SELECT what, position, title, detail, found FROM ranked WHERE nth <= $7
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
    connection: Connection, recipients: Sequence[Resolved] | UUID, *, kinds_without_saraban: Sequence[str], day: date
) -> AddresseeFacts:
    """What is suspicious on `day` about what a list resolves to, or about the recipients of a circular."""
    resolved, circular_id = ((), recipients) if isinstance(recipients, UUID) else (recipients, None)
    rows = await connection.fetch(
        SUSPECTS,
        [one.title for one in resolved],
        [one.agency_id for one in resolved],
        [one.in_place_of for one in resolved],
        circular_id,
        list(kinds_without_saraban),
        day,
        MOST_SHOWN,
    )
    return AddresseeFacts(
        total=next(row["found"] for row in rows if row["what"] == "total"),
        repeated=_suspects(rows, "repeated"),
        without_channel=_suspects(rows, "without_channel"),
        not_saraban=_suspects(rows, "not_saraban"),
        closed=_suspects(rows, "closed"),
        succeeded=_suspects(rows, "succeeded"),
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
