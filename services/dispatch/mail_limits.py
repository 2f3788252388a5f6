"""Limits per recipient domain: one domain whose mail server is slow takes a bounded part of ours, and the rest comes back later."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

MINUTE: Final = 60.0
# How long a mail waits, outside any connection, for another one to its domain to end. Longer and it goes back to the table.
PATIENCE: Final = 1.0
SHORTEST_DEFERRAL: Final = 1.0
LONGEST_DEFERRAL: Final = 300.0
# The weight of the newest mail in the domain's usual duration.
_NEWEST: Final = 0.2
_DOMAINS_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class DomainLimits:
    """Most mails to one domain at a time, and a minute (None: no such limit), in one process."""

    in_flight: int
    per_minute: int | None


@dataclass(slots=True)
class _Domain:
    in_flight: int = 0
    waiting: deque[asyncio.Future[bool]] = field(default_factory=deque[asyncio.Future[bool]])
    begun: deque[float] = field(default_factory=deque[float])
    usual_seconds: float = 0.0
    # Up to when places are promised to mails that were sent back.
    promised_until: float = 0.0


class Domains:
    """Who may send to which domain now. Whoever is sent back is given a time of its own, so that not all come back at once."""

    def __init__(self, limits: DomainLimits, *, clock: Callable[[], float], patience: float = PATIENCE) -> None:
        self._limits = limits
        self._clock = clock
        self._patience = patience
        self._domains: dict[str, _Domain] = {}

    async def enter(self, domain: str) -> float | None:
        """Take a place at `domain`: None when there is one, which `leave` gives back; else the seconds to come back in."""
        found = self._domains.setdefault(domain, _Domain())
        if self._until_minute_allows(found) > 0:
            return self._promise(found)
        if found.in_flight < self._limits.in_flight:
            found.in_flight += 1
            self._note_begin(found)
            return None
        return None if await self._is_given_place(found) else self._promise(found)

    def leave(self, domain: str, seconds: float) -> None:
        """Give the place back after a mail that took `seconds`."""
        found = self._domains[domain]
        found.usual_seconds += _NEWEST * (seconds - found.usual_seconds)
        self._free(found)
        if len(self._domains) > _DOMAINS_KEPT:
            self._forget_idle()

    def _free(self, found: _Domain) -> None:
        """Pass a place on to who has waited longest; when the minute is full, nobody need wait any more."""
        while found.waiting:
            turn = found.waiting.popleft()
            if turn.done():
                continue
            if self._until_minute_allows(found) > 0:
                turn.set_result(False)
                continue
            self._note_begin(found)
            turn.set_result(True)
            return
        found.in_flight -= 1

    async def _is_given_place(self, found: _Domain) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        found.waiting.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                return await turn
        except TimeoutError:
            # The place may have come at the same instant.
            return turn.done() and not turn.cancelled() and turn.result()
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self._free(found)
            raise

    def _note_begin(self, found: _Domain) -> None:
        if self._limits.per_minute is not None:
            found.begun.append(self._clock())

    def _until_minute_allows(self, found: _Domain) -> float:
        limit = self._limits.per_minute
        if limit is None:
            return 0.0
        now = self._clock()
        while found.begun and found.begun[0] <= now - MINUTE:
            found.begun.popleft()
        return found.begun[-limit] + MINUTE - now if len(found.begun) >= limit else 0.0

    def _promise(self, found: _Domain) -> float:
        now = self._clock()
        free_at = max(found.promised_until, now + SHORTEST_DEFERRAL, now + self._until_minute_allows(found))
        limit = self._limits.per_minute
        spacing = max(found.usual_seconds / self._limits.in_flight, 0.0 if limit is None else MINUTE / limit)
        found.promised_until = min(free_at + spacing, now + LONGEST_DEFERRAL)
        return min(free_at - now, LONGEST_DEFERRAL)

    def _forget_idle(self) -> None:
        now = self._clock()
        for name, found in list(self._domains.items()):
            spent = bool(found.begun) and found.begun[-1] > now - MINUTE
            if found.in_flight == 0 and not found.waiting and found.promised_until <= now and not spent:
                del self._domains[name]
