"""Waiting until RabbitMQ has its quorum queues on disk, before a test kills it."""

import os

from tests.support.eventually import eventually
from wian.embedded.folders import default_home


async def until_on_disk(queue: str) -> None:
    """RabbitMQ 3.10 writes the register of its quorum queues half a second late.

    A queue whose declaration is lost to a kill in that time comes back without a leader, and never answers.
    """

    async def is_on_disk() -> bool:
        registers = (default_home() / "run").glob(f"{os.getpid()}-*/rabbitmq/data/*/quorum/*/names.dets")
        return any(f"%2F_{queue}".encode() in register.read_bytes() for register in registers)

    await eventually(is_on_disk, bool)
