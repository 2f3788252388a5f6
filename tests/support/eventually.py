"""Waiting for a condition instead of for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(read: Callable[[], Awaitable[T]], until: Callable[[T], bool], *, within: float = 10.0) -> T:
    """Call `read` until its value satisfies `until`; fails with the last value after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value = await read()
        if until(value):
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen within {within} s; last value: {value!r}")
        await asyncio.sleep(0.02)
