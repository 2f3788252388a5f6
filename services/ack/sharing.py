"""One reading for all who ask at about the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from uuid import UUID

ValueT = TypeVar("ValueT")


class Shared(Generic[ValueT]):
    """What `read` gives, kept for `seconds` after it was asked for; one that fails is not kept."""

    def __init__(self, read: Callable[[UUID], Awaitable[ValueT]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._readings: dict[UUID, asyncio.Task[ValueT]] = {}

    async def get(self, key: UUID) -> ValueT:
        """The reading that is under way or was made shortly before, or a new one."""
        reading = self._readings.get(key)
        if reading is None:
            reading = self._readings[key] = asyncio.create_task(self._made(key))
        # Whoever goes away does not take the reading from the others.
        return await asyncio.shield(reading)

    async def _made(self, key: UUID) -> ValueT:
        kept = False
        try:
            value = await self._read(key)
            asyncio.get_running_loop().call_later(self._seconds, self._readings.pop, key, None)
            kept = True
            return value
        finally:
            if not kept:
                del self._readings[key]
