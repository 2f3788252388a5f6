"""SQL of the search among an agency's letters: by the book's words where a letter is in it, and draft by draft where not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.registry.domain.books import Filter, addressee_of, book_subject, search_text, sender_of
from services.registry.domain.letters import LetterState, draft_from_json
from services.registry.store.books import MOST_HITS, NEAR
from shared.postgres import Connection

# Among the $6 newest letters, or among all ($6 null).
NEWEST: Final = """
SELECT near.letter_id
FROM (
    SELECT letter_id FROM letters
    WHERE agency_id = $1 AND ($2::uuid IS NULL OR letter_id < $2) AND state <> 'draft' AND ($3::text IS NULL OR state = $3)
    ORDER BY letter_id DESC LIMIT $6
) AS near JOIN sent_entries e ON e.letter_id = near.letter_id
WHERE e.search_text LIKE $4 ORDER BY near.letter_id DESC LIMIT $5
"""

HITS: Final = """
SELECT hits.letter_id
FROM unnest($2::bigint[]) AS years (year_be) CROSS JOIN LATERAL (
    SELECT e.letter_id FROM sent_entries e
    WHERE book_tokens(e.agency_id, e.year_be, e.search_text, e.facets) @> book_tokens($1, years.year_be, '', $3::text[])
        AND e.agency_id::text = $1::uuid::text AND e.search_text LIKE $4 AND e.letter_id IS NOT NULL
        AND ($5::uuid IS NULL OR e.letter_id < $5)
    LIMIT $6
) AS hits
"""

IN_STATE: Final = """
SELECT letter_id FROM letters WHERE letter_id = ANY($1::uuid[]) AND ($2::text IS NULL OR state = $2) ORDER BY letter_id DESC LIMIT $3
"""

DRAFTS: Final = """
SELECT letter_id, content FROM letters WHERE agency_id = $1 AND state = 'draft' AND ($2::uuid IS NULL OR letter_id < $2)
ORDER BY letter_id DESC LIMIT $3
"""

DRAFTS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for among the agency's letters behind `after`, newest first; `state` None means all states."""

    words: Filter
    after: UUID | None
    state: LetterState | None
    limit: int


async def newest(connection: Connection, search: Search, *, near: bool) -> list[UUID]:
    """Letters of the book that match: among the NEAR newest, or among all."""
    state = None if search.state is None else search.state.value
    words, most = search.words, NEAR if near else None
    rows = await connection.fetch(NEWEST, words.agency_id, search.after, state, words.pattern, search.limit, most)
    return [row["letter_id"] for row in rows]


async def hits(connection: Connection, search: Search, years: Sequence[int]) -> list[UUID] | None:
    """The same by way of the book's index; None when more than MOST_HITS match."""
    words = search.words
    rows = await connection.fetch(HITS, words.agency_id, years, words.pieces, words.pattern, search.after, MOST_HITS + 1)
    if len(rows) > MOST_HITS:
        return None
    state = None if search.state is None else search.state.value
    found = await connection.fetch(IN_STATE, [row["letter_id"] for row in rows], state, search.limit)
    return [row["letter_id"] for row in found]


async def drafts(connection: Connection, search: Search) -> list[UUID]:
    """Drafts that match, by the words that they would be entered in the book with."""
    found: list[UUID] = []
    after = search.after
    while rows := await connection.fetch(DRAFTS, search.words.agency_id, after, DRAFTS_AT_ONCE):
        for row in rows:
            draft = draft_from_json(row["content"])
            told = search_text(book_subject(draft.subject, draft.secrecy), sender_of(draft), addressee_of(draft))
            if search.words.text in told:
                found.append(row["letter_id"])
        if len(found) >= search.limit:
            break
        after = rows[-1]["letter_id"]
    return found[: search.limit]
