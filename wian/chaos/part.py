"""``python -m wian.chaos.part ROLE``: one part of dispatch as a process of its own, so that it can be killed by itself."""

import sys
from dataclasses import replace
from enum import StrEnum
from typing import Final

from services.dispatch.app import SERVICE
from services.dispatch.scheduler import Scheduler
from services.dispatch.worker import LaneWorker
from shared import logs
from shared.outbox import Relay
from shared.runtime import Worker, insist_on_exit, run, stop_on_signals
from shared.service import Role as ProcessRole
from shared.service import run_parts


class Role(StrEnum):
    """What can be killed. `consumer` is all of dispatch that no other role names; `ack` is that service with its API."""

    WORKER = "worker"
    SCHEDULER = "scheduler"
    RELAY = "relay"
    CONSUMER = "consumer"
    ACK = "ack"
    BROKER = "broker"
    DATABASE = "database"


PARTS: Final = (Role.WORKER, Role.SCHEDULER, Role.RELAY, Role.CONSUMER)


def role_of(worker: Worker) -> Role:
    """Whose process runs `worker`."""
    if isinstance(worker, LaneWorker):
        return Role.WORKER
    if isinstance(worker, Scheduler):
        return Role.SCHEDULER
    return Role.RELAY if isinstance(worker, Relay) else Role.CONSUMER


async def serve(role: Role) -> None:
    """Run the workers of `role`, with health routes, until SIGTERM."""
    settings = SERVICE.settings.from_environment()
    logs.configure(f"dispatch-{role}", settings.log_level)
    stop = stop_on_signals()
    async with SERVICE.open(settings) as parts:
        mine = replace(
            parts, workers=tuple(found for found in parts.workers if role_of(found) is role), worker_probes=parts.api_probes
        )
        try:
            await run_parts(mine, ProcessRole.WORKER, settings, stop)
        finally:
            insist_on_exit(settings.shutdown_grace)


if __name__ == "__main__":
    run(serve(Role(sys.argv[1])))
