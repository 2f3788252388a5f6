"""Reads pages of the two books, and keeps the book of received letters."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Generic, Protocol, TypeVar
from uuid import UUID

import structlog

from services.registry import problems
from services.registry.domain.books import (
    Acknowledged,
    Filter,
    Received,
    ReceivedEntry,
    ReceivedState,
    SentEntry,
    book_subject,
    running_of,
)
from services.registry.problems.books import RECEIVE_NUMBER_FIXED, RECEIVE_NUMBER_TAKEN, RECEIVED_VOID
from services.registry.store import books, received
from services.registry.store.books import SentPlace
from services.registry.store.received import ReceivedPlace
from shared import problems as shared_problems
from shared.contracts.events import RecipientRegistered, RecipientWithdrawn
from shared.ids import new_id
from shared.pages import BIGINT
from shared.postgres import Connection, Database, UniqueViolation
from shared.problems import FieldError, ProblemError
from shared.thai.dates import BUDDHIST_OFFSET, buddhist_year
from shared.thai.digits import to_thai

EXPORT_BATCH: Final = 1000
# Numbers of a receive register that clerks had given out of turn are passed over, so many at most for one letter.
MOST_PASSED_OVER: Final = 1000

log = structlog.stdlib.get_logger(__name__)


class Entry(Protocol):
    """A row of a book."""

    @property
    def key(self) -> tuple[str, ...]:
        """Its place in the book; the year comes first."""
        ...


EntryT = TypeVar("EntryT", bound=Entry)
PlaceT = TypeVar("PlaceT")
AnswerT_co = TypeVar("AnswerT_co", covariant=True)
PlaceT_contra = TypeVar("PlaceT_contra", contravariant=True)


class Reader(Protocol[AnswerT_co, PlaceT_contra]):
    """A statement that reads entries of one year."""

    async def __call__(
        self, connection: Connection, where: Filter, year_be: int, *, after: PlaceT_contra, limit: int, down: bool
    ) -> AnswerT_co: ...


@dataclass(frozen=True, slots=True)
class Book(Generic[EntryT, PlaceT]):
    """How one of the books is read; `place` reads the key of an entry without its year."""

    years: Callable[[Connection, UUID], Awaitable[list[int]]]
    find: Reader[list[EntryT] | None, PlaceT]
    scan: Reader[list[EntryT], PlaceT]
    peek: Reader[list[EntryT], PlaceT]
    before_all: PlaceT
    behind_all: PlaceT
    place: Callable[[Sequence[str]], PlaceT]


def _sent_place(key: Sequence[str]) -> SentPlace:
    register_id, series, running = key
    return SentPlace(UUID(register_id), series, _within(int(running)))


def _received_place(key: Sequence[str]) -> ReceivedPlace:
    day, running, received_id = key
    return ReceivedPlace(date.fromisoformat(day), _within(int(running)), UUID(received_id))


def _within(number: int) -> int:
    if not 0 <= number < BIGINT:
        raise ValueError("no number that the database could have given")
    return number


SENT: Final[Book[SentEntry, SentPlace]] = Book(
    books.years, books.find, books.scan, books.peek, books.BEFORE_ALL, books.BEHIND_ALL, _sent_place
)
RECEIVED: Final[Book[ReceivedEntry, ReceivedPlace]] = Book(
    received.years, received.find, received.scan, received.peek, received.BEFORE_ALL, received.BEHIND_ALL, _received_place
)


async def read_page(
    connection: Connection, book: Book[EntryT, PlaceT], where: Filter, *, after: str | None, limit: int, down: bool
) -> list[EntryT]:
    """Up to `limit` entries behind the one with the key `after`, year by year; the connection is in a transaction.

    Raises ProblemError `cursor_invalid`.
    """
    year_after, place = _read_key(book, after)
    await books.plan_for_pages(connection)
    found: list[EntryT] = []
    for number, year in enumerate(await _years(connection, book, where, year_after, down=down)):
        begin = place if place is not None and year == year_after else book.behind_all if down else book.before_all
        if number == 0 and where.selective:
            near = await book.peek(connection, where, year, after=begin, limit=limit, down=down)
            if len(near) == limit:
                return near
        found += await _read_year(connection, book, where, year, begin, limit - len(found), down=down)
        if len(found) >= limit:
            break
    return found


def _read_key(book: Book[EntryT, PlaceT], after: str | None) -> tuple[int | None, PlaceT | None]:
    if after is None:
        return None, None
    try:
        year, *rest = after.split("|")
        return int(year), book.place(rest)
    except ValueError as error:
        raise ProblemError(shared_problems.CURSOR_INVALID) from error


async def _years(
    connection: Connection, book: Book[EntryT, PlaceT], where: Filter, after: int | None, *, down: bool
) -> list[int]:
    """The years that can hold something, in the order in which they are read."""
    years = await book.years(connection, where.agency_id)
    wanted = [year for year in years if where.year_be in (None, year) and _within_days(year, where)]
    if after is not None:
        wanted = [year for year in wanted if (year <= after if down else year >= after)]
    return wanted[::-1] if down else wanted


def _within_days(year_be: int, where: Filter) -> bool:
    # The year is that of the day that is filtered by.
    return where.first_day.year <= year_be - BUDDHIST_OFFSET <= where.last_day.year


async def _read_year(
    connection: Connection, book: Book[EntryT, PlaceT], where: Filter, year: int, after: PlaceT, limit: int, *, down: bool
) -> list[EntryT]:
    if where.selective:
        found = await book.find(connection, where, year, after=after, limit=limit, down=down)
        if found is not None:
            return found
    return await book.scan(connection, where, year, after=after, limit=limit, down=down)


async def all_entries(database: Database, book: Book[EntryT, PlaceT], where: Filter) -> AsyncGenerator[list[EntryT]]:
    """Every entry in the book's order, in batches; no connection is held between two, however slowly they are taken."""
    after: str | None = None
    while True:
        async with database.transaction() as connection:
            batch = await read_page(connection, book, where, after=after, limit=EXPORT_BATCH, down=False)
        if batch:
            yield batch
        if len(batch) < EXPORT_BATCH:
            return
        after = "|".join(batch[-1].key)


async def write_remark(database: Database, agency_id: UUID, entry_id: UUID, remark: str, *, version: int, by: str) -> SentEntry:
    """Write หมายเหตุ of a sent letter's entry; what stood there before is kept, and the letter itself is not touched."""
    async with database.transaction() as connection:
        entry = await books.get_for_update(connection, entry_id, agency_id)
        if entry is None:
            raise ProblemError(shared_problems.NOT_FOUND)
        _check_version(entry.version, version)
        await books.note_change(connection, entry_id, entry.version, {"remark": entry.remark}, by)
        await books.set_remark(connection, entry_id, remark)
    return replace(entry, remark=remark, version=entry.version + 1)


async def enter_by_hand(connection: Connection, agency_id: UUID, said: Received) -> ReceivedEntry:
    """Enter a letter that came on paper; without a receive number it gets the next of the agency's receive register."""
    year = buddhist_year(said.receive_date)
    issued = not said.receive_number
    if issued:
        running = await _next_free(connection, agency_id, said.unit, year)
        said = replace(said, receive_number=to_thai(running))
    entry = ReceivedEntry(
        received_id=new_id(),
        year_be=year,
        running=running_of(said.receive_number, year),
        number_issued=issued,
        said=said,
        acknowledged=None,
        state=ReceivedState.ENTERED,
        void_reason=None,
        version=1,
    )
    if not issued:
        await _refuse_taken(connection, agency_id, entry)
    if not await received.insert(connection, agency_id, entry):
        # Another clerk was quicker.
        await _refuse_taken(connection, agency_id, entry)
        raise LookupError("an entry cannot vanish")
    return entry


async def _next_free(connection: Connection, agency_id: UUID, unit: str, year: int) -> int:
    for _ in range(MOST_PASSED_OVER):
        running = await received.next_number(connection, agency_id, unit, year)
        if running is None:
            break
        if await received.numbered(connection, agency_id, year, unit, str(running)) is None:
            return running
    raise ProblemError(problems.NUMBERS_EXHAUSTED, f"the receive register of {year} has no free number near its last one")


async def _refuse_taken(connection: Connection, agency_id: UUID, entry: ReceivedEntry) -> None:
    said = entry.said
    taken = await received.numbered(
        connection, agency_id, entry.year_be, said.unit, said.receive_number, other_than=entry.received_id
    )
    if taken is not None:
        raise _taken(said, f"it is the number of {taken} in {entry.year_be}", taken)


def _taken(said: Received, detail: str, taken: UUID | None) -> ProblemError:
    earlier = f"received_id {taken}" if taken else "of another entry"
    field = FieldError("/receive_number", RECEIVE_NUMBER_TAKEN.code, f"{said.receive_number} is taken: {earlier}")
    return ProblemError(RECEIVE_NUMBER_TAKEN, detail, errors=[field])


async def correct(
    database: Database, agency_id: UUID, received_id: UUID, change: Callable[[ReceivedEntry], Received], *, version: int, by: str
) -> ReceivedEntry:
    """Correct an entry by `change`; what it said before is kept."""
    try:
        async with database.transaction() as connection:
            entry = await _entry_to_change(connection, agency_id, received_id, version)
            corrected = _corrected(entry, change(entry))
            if corrected.said.receive_number != entry.said.receive_number or corrected.said.unit != entry.said.unit:
                await _refuse_taken(connection, agency_id, corrected)
            await books.note_change(connection, received_id, entry.version, said_json(entry.said), by)
            await received.update(connection, corrected)
    except UniqueViolation as error:
        raise ProblemError(RECEIVE_NUMBER_TAKEN, "another entry has just got that number") from error
    return corrected


def _corrected(entry: ReceivedEntry, said: Received) -> ReceivedEntry:
    """The entry as it says now. A number that the register issued stays in its series."""
    year = buddhist_year(said.receive_date)
    moved = (said.receive_number, said.unit, year) != (entry.said.receive_number, entry.said.unit, entry.year_be)
    if entry.number_issued and moved:
        detail = f"{entry.said.receive_number} of {entry.year_be} was issued by the receive register"
        raise ProblemError(RECEIVE_NUMBER_FIXED, detail)
    running = running_of(said.receive_number, year)
    return replace(entry, said=said, year_be=year, running=running, version=entry.version + 1)


async def void_entry(
    database: Database, agency_id: UUID, received_id: UUID, reason: str, *, version: int, by: str
) -> ReceivedEntry:
    """Void an entry: it stays in the book with its number and the reason."""
    async with database.transaction() as connection:
        entry = await _entry_to_change(connection, agency_id, received_id, version)
        await books.note_change(connection, received_id, entry.version, {"state": entry.state.value}, by)
        await received.void(connection, received_id, reason)
    return replace(entry, state=ReceivedState.VOID, void_reason=reason, version=entry.version + 1)


async def _entry_to_change(connection: Connection, agency_id: UUID, received_id: UUID, version: int) -> ReceivedEntry:
    entry = await received.get_for_update(connection, received_id, agency_id)
    if entry is None:
        raise ProblemError(shared_problems.NOT_FOUND)
    if entry.state is ReceivedState.VOID:
        raise ProblemError(RECEIVED_VOID, f"reason: {entry.void_reason}")
    _check_version(entry.version, version)
    return entry


def _check_version(current: int, expected: int) -> None:
    if current != expected:
        raise ProblemError(problems.VERSION_CONFLICT, f"the version is now {current}, not {expected}")


async def enter_acknowledged(connection: Connection, event: RecipientRegistered) -> None:
    """Enter what the agency has acknowledged; the same event, or an older one, changes nothing."""
    facts = await received.acknowledged_letter(connection, event.recipient_id, event.agency_id, event.letter_id)
    if facts is None:
        log.error("acknowledgment of an unknown recipient", recipient_id=str(event.recipient_id))
        return
    year = buddhist_year(event.receive_date)
    entry = ReceivedEntry(
        received_id=new_id(),
        year_be=year,
        running=running_of(event.receive_number, year),
        number_issued=False,
        said=Received(
            unit=event.unit or "",
            receive_number=event.receive_number,
            receive_date=event.receive_date,
            receive_time=event.receive_time,
            letter_number=facts.number,
            letter_date=facts.letter_date,
            sender=facts.sender,
            sender_agency_id=facts.sender_agency_id,
            addressee=facts.title,
            subject=book_subject(facts.subject, facts.secrecy),
            speed=facts.speed,
            secrecy=facts.secrecy,
            action="",
            remark="",
        ),
        acknowledged=Acknowledged(event.recipient_id, event.circular_id, event.letter_id, event.recorded_at),
        state=ReceivedState.ENTERED,
        void_reason=None,
        version=1,
    )
    if not await received.insert(connection, event.agency_id, entry):
        await _correct_acknowledged(connection, entry, event)
    withdrawn = await received.withdrawn(connection, event.recipient_id)
    if withdrawn is not None and withdrawn[0] >= event.recorded_at:
        # The news that the answer was taken back came first.
        await _void_withdrawn(connection, event.recipient_id, *withdrawn)


async def withdraw_acknowledged(connection: Connection, event: RecipientWithdrawn) -> None:
    """Void the entry of an answer that the agency took back; its number stays in the book."""
    await received.note_withdrawn(connection, event.recipient_id, event.recorded_at, event.reason)
    await _void_withdrawn(connection, event.recipient_id, event.recorded_at, event.reason)


async def _void_withdrawn(connection: Connection, recipient_id: UUID, at: datetime, reason: str) -> None:
    known = await received.get_by_recipient(connection, recipient_id)
    if known is None or known.acknowledged is None or known.acknowledged.recorded_at > at:
        return
    if known.state is ReceivedState.ENTERED:
        by = f"recipient {recipient_id}"
        await books.note_change(connection, known.received_id, known.version, {"state": known.state.value}, by)
        await received.void(connection, known.received_id, reason)


async def _correct_acknowledged(connection: Connection, entry: ReceivedEntry, event: RecipientRegistered) -> None:
    known = await received.get_by_recipient(connection, event.recipient_id)
    if known is None or known.acknowledged is None:
        raise LookupError("an entry cannot vanish")
    if known.acknowledged.recorded_at >= event.recorded_at:
        return
    kept = known.said
    # To whom it was given and what clerks noted beside it is theirs.
    said = replace(entry.said, addressee=kept.addressee, action=kept.action, remark=kept.remark)
    await books.note_change(connection, known.received_id, known.version, said_json(kept), f"recipient {event.recipient_id}")
    await received.update(connection, replace(entry, received_id=known.received_id, said=said))
    await received.reenter(connection, known.received_id)


def said_json(said: Received) -> dict[str, Any]:
    """What an entry says, as JSON values."""
    values = asdict(said)
    return {name: value if value is None or isinstance(value, str) else str(value) for name, value in values.items()}
