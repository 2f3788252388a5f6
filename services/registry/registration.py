"""Registers letters: the number, the frozen content and the state change are one transaction.

Letters that are registered at the same moment share a transaction: the row of a hot series is then locked once for all of them.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import structlog
from opentelemetry import metrics

from services.registry import problems
from services.registry.domain import letters as domain
from services.registry.domain import numbering
from services.registry.domain.kinds import Requirements
from services.registry.domain.letters import FrozenContent, Letter, LetterState
from services.registry.domain.numbering import IssuedNumber, NumberState, ReservedNumber, SeriesKey
from services.registry.problems import numbers as number_problems
from services.registry.store import books, letters, registers, reservations
from services.registry.store.letters import Registrable
from shared import problems as shared_problems
from shared.postgres import Connection, Database
from shared.problems import ProblemError
from shared.thai.numbers import MAX_RUNNING
from shared.together import Together

log = structlog.stdlib.get_logger(__name__)
_meter = metrics.get_meter("wian.registry")
_registered = _meter.create_counter("wian.registry.letters.registered", unit="{letter}", description="Letters that got a number.")


@dataclass(frozen=True, slots=True)
class Reserved:
    """A number that was kept for this letter: `running`, or the lowest free one of the reservation."""

    reservation_id: UUID
    running: int | None


@dataclass(frozen=True, slots=True)
class Registration:
    """What a client asks for."""

    agency_id: UUID
    letter_id: UUID
    reserved: Reserved | None = None


class _NotTogether(Exception):  # noqa: N818 - a turn of the work, not a mistake
    """These letters cannot share a transaction; each is tried by itself."""


class Registrar:
    """Registers letters in groups; `required` are the fields that each kind needs."""

    def __init__(self, database: Database, required: Requirements) -> None:
        self._database = database
        self._required = required
        self._groups = Together(self._together)

    async def register(self, registration: Registration) -> Letter:
        """Give the agency's draft its number and freeze it; a letter that has its number is returned as it is.

        Raises ProblemError: `not_found`, `letter_incomplete` with what the kind requires, or what is wrong with the reserved
        number. Raises Unavailable when the database is away; the letter may then have got its number.
        """
        return await self._groups.ask(registration)

    async def _together(self, registrations: Sequence[Registration]) -> list[Letter | ProblemError]:
        """Register these letters in one transaction; what is refused is told and leaves the others alone."""
        results: dict[Registration, Letter | ProblemError] = {}
        async with self._database.transaction() as connection:
            found = await letters.for_registration(connection, sorted({r.letter_id for r in registrations}))
            ready: list[tuple[Registration, Registrable]] = []
            for registration in dict.fromkeys(registrations):
                result = self._ready(registration, found.get(registration.letter_id))
                if isinstance(result, Registrable):
                    ready.append((registration, result))
                else:
                    results[registration] = result
            if len({registration.letter_id for registration, _ in ready}) < len(ready):
                raise _NotTogether
            numbers = await _numbers(connection, ready)
            frozen: list[tuple[Registration, IssuedNumber, FrozenContent]] = []
            for registration, item in ready:
                number = numbers[registration]
                if isinstance(number, ProblemError):
                    results[registration] = number
                else:
                    frozen.append((registration, number, _frozen(item, number)))
            changed = await letters.register(connection, [(r.letter_id, number, content) for r, number, content in frozen])
            await books.enter(connection, [(found[r.letter_id].letter, number) for r, number, _ in frozen])
        for registration, number, content in frozen:
            letter = found[registration.letter_id].letter
            results[registration] = replace(
                letter,
                state=LetterState.REGISTERED,
                version=letter.version + 1,
                number=number,
                content_hash=content.sha256,
                updated_at=changed[registration.letter_id],
            )
            log.info(
                "letter registered", letter_id=str(letter.letter_id), series=number.key.series.value, year_be=number.key.year_be
            )
        _registered.add(len(frozen))
        return [results[registration] for registration in registrations]

    def _ready(self, registration: Registration, found: Registrable | None) -> Registrable | Letter | ProblemError:
        if found is None or found.letter.agency_id != registration.agency_id:
            return ProblemError(shared_problems.NOT_FOUND)
        if found.letter.state is not LetterState.DRAFT:
            return found.letter
        missing = domain.missing_fields(found.letter.draft, self._required)
        if missing:
            return ProblemError(problems.LETTER_INCOMPLETE, missing[0].detail, errors=missing)
        return found


def _frozen(item: Registrable, number: IssuedNumber) -> FrozenContent:
    letter = item.letter
    return domain.freeze(
        letter_id=letter.letter_id, sender_agency_id=letter.agency_id, draft=letter.draft, number=number, attachments=item.files
    )


async def _numbers(
    connection: Connection, ready: Sequence[tuple[Registration, Registrable]]
) -> dict[Registration, IssuedNumber | ProblemError]:
    """A number for each letter: the reserved ones first, then the next ones of each series, in one order for everybody."""
    numbers: dict[Registration, IssuedNumber | ProblemError] = {}
    series: defaultdict[SeriesKey, list[tuple[Registration, Registrable]]] = defaultdict(list)
    now = datetime.now(UTC)
    for registration, item in ready:
        key = numbering.series_key(item.register, domain.numbering_of(item.letter.draft))
        if registration.reserved is None:
            series[key].append((registration, item))
            continue
        try:
            numbers[registration] = await _use_reserved(connection, registration, registration.reserved, item, key, now)
        except ProblemError as error:
            numbers[registration] = error
    for key in sorted(series, key=lambda one: (one.register_id, one.year_be, one.series)):
        waiting = series[key]
        taken = await registers.take_numbers(connection, key, most=MAX_RUNNING, count=len(waiting))
        if taken is None and len(waiting) > 1:
            raise _NotTogether
        if taken is None:
            refused = ProblemError(problems.NUMBERS_EXHAUSTED, f"{MAX_RUNNING} numbers were issued in {key.year_be}")
            numbers[waiting[0][0]] = refused
            continue
        for (registration, item), running in zip(waiting, taken, strict=True):
            numbers[registration] = numbering.issue(item.register, domain.numbering_of(item.letter.draft), running)
    return numbers


async def _use_reserved(
    connection: Connection, registration: Registration, reserved: Reserved, item: Registrable, key: SeriesKey, now: datetime
) -> IssuedNumber:
    agency_id = registration.agency_id
    if reserved.running is None:
        number = await reservations.next_free(connection, reserved.reservation_id, agency_id)
        if number is None:
            number = await _spent(connection, reserved.reservation_id, agency_id, now)
    else:
        number = await reservations.get(connection, reserved.reservation_id, agency_id, reserved.running)
    if number is None:
        raise ProblemError(shared_problems.NOT_FOUND, "your agency has no such reservation")
    numbering.check_usable(number, key, now)
    await reservations.use(connection, number, registration.letter_id)
    return numbering.issue(item.register, domain.numbering_of(item.letter.draft), number.running)


async def _spent(connection: Connection, reservation_id: UUID, agency_id: UUID, now: datetime) -> ReservedNumber | None:
    """A number that says why the reservation has none left; None when the agency has no such reservation."""
    numbers = await reservations.of_reservation(connection, reservation_id, agency_id)
    if numbers and numbers[-1].state(now) is NumberState.HELD:
        raise ProblemError(number_problems.NUMBER_USED, "another letter is taking the last number at this moment")
    return numbers[-1] if numbers else None
