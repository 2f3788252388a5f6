"""Finds an agency's letters by a text, newest first."""

from uuid import UUID

from services.registry.domain.letters import Letter, LetterState
from services.registry.store import books, letter_search, letters
from services.registry.store.letter_search import Search
from shared.postgres import Connection


async def find_letters(connection: Connection, search: Search) -> list[Letter]:
    """Up to `limit` letters in whose number, subject, sender or addressee the text stands; the connection is in a transaction."""
    await books.plan_for_pages(connection)
    found: list[UUID] = []
    if search.state in {None, LetterState.DRAFT}:
        found += await letter_search.drafts(connection, search)
    if search.state is not LetterState.DRAFT:
        found += await _entered(connection, search)
    return await letters.by_ids(connection, sorted(found, reverse=True)[: search.limit])


async def _entered(connection: Connection, search: Search) -> list[UUID]:
    """A common word fills a page near its beginning, a rare one is found by the index, and what is neither is walked to."""
    near = await letter_search.newest(connection, search, near=True)
    if len(near) == search.limit:
        return near
    by_index = await letter_search.hits(connection, search, await books.years(connection, search.words.agency_id))
    return await letter_search.newest(connection, search, near=False) if by_index is None else by_index
