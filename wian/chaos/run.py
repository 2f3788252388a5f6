"""`wian chaos`: rounds of circulars among kills, and a verdict as one line of JSON."""

import asyncio
import json
import logging
import random
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from shared import broker, logs
from shared.broker import Outgoing
from shared.contracts.envelope import Envelope
from shared.contracts.events import CircularDispatched, FrozenRecipient
from shared.contracts.topology import Exchange
from shared.runtime import pause
from wian.bench.system import letter
from wian.chaos.part import Role
from wian.chaos.receiver import Seen, answers
from wian.chaos.system import System, system
from wian.chaos.verdict import Fate, Verdict, judge

AGENCIES: Final = 40
PATIENCE: Final = 120.0
# The next circular comes after so long, whether or not the last one is done; but not more than a few go round at a time.
ROUND_SECONDS: Final = 2.5
AT_ONCE: Final = 3
# When the kills come, and how long a server stays away. Every other kill counts from the circular's first webhook, for which
# it waits so long at most; the others from its publication.
KILL_SECONDS: Final = (0.0, 1.8)
FIRST_WEBHOOK_SECONDS: Final = 5.0
OUTAGE_SECONDS: Final = (0.0, 1.5)
TWO_KILLS: Final = 0.4
# How often each is killed in so many kills: what happens to the worker matters most.
SHARES: Final[Sequence[Role]] = (
    *(Role.WORKER, Role.WORKER, Role.WORKER),
    *(Role.SCHEDULER, Role.RELAY, Role.CONSUMER, Role.ACK, Role.BROKER, Role.DATABASE),
)
POLL: Final = 0.2
PUBLISH_PAUSE: Final = 0.2


class FaultFound(Exception):
    """Something was lost, stuck, acknowledged twice, or sent too often; raised inside so that the logs are kept."""

    def __init__(self, report: dict[str, object], complaints: Sequence[str]) -> None:
        super().__init__(f"{len(complaints)} faults")
        self.report = report
        self.complaints = complaints


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill that is to come: after how many seconds, counted from when, and for how long a server stays away."""

    role: Role
    at: float
    after_first_webhook: bool
    outage: float


@dataclass
class Chaos:
    """The rounds of one run."""

    running: System
    agencies: list[UUID]
    recipients: int
    dice: random.Random
    sent: dict[UUID, CircularDispatched] = field(default_factory=dict[UUID, CircularDispatched])
    kills: Counter[Role] = field(default_factory=Counter[Role])
    killed: Counter[str] = field(default_factory=Counter[str])
    out_of_patience: set[UUID] = field(default_factory=set[UUID])

    async def play(self, rounds: int) -> None:
        """All rounds; returns when each has ended, or patience with it."""
        plans = _plans(self.dice)
        room = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for number in range(1, rounds + 1):
                await room.acquire()
                begun = time.monotonic()
                circular_id, in_flight, plan = await self._make_trouble(next(plans))
                task = group.create_task(self._until_done(f"{number}/{rounds}", circular_id, plan, in_flight, begun))
                task.add_done_callback(lambda _done: room.release())
                await asyncio.wait([task], timeout=max(0.0, ROUND_SECONDS - (time.monotonic() - begun)))

    async def _make_trouble(self, plan: Sequence[Kill]) -> tuple[UUID, int, Sequence[Kill]]:
        """Publish a circular, and kill while it goes round; returns when all that was killed is started again."""
        circular = self._circular()
        self.sent[circular.circular_id] = circular
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish(circular))
            strikes = [group.create_task(self._strike(kill, circular.circular_id)) for kill in plan]
        return circular.circular_id, sum(strike.result() for strike in strikes), plan

    async def _strike(self, kill: Kill, circular_id: UUID) -> int:
        """Returns how many deliveries died in the hands of a worker."""
        if kill.after_first_webhook:
            await pause(FIRST_WEBHOOK_SECONDS, self.running.receiver.begun[circular_id])
        await asyncio.sleep(kill.at)
        in_flight = await self.running.strike(kill.role, kill.outage)
        self.kills[kill.role] += 1
        self.killed.update(in_flight)
        return len(in_flight)

    def _circular(self) -> CircularDispatched:
        now = datetime.now(UTC)
        # The day before, whatever the hour in Bangkok: it can be acknowledged at once.
        content = letter().model_copy(update={"date": (now - timedelta(days=1)).date()})
        return CircularDispatched(
            circular_id=uuid4(),
            sender_agency_id=uuid4(),
            sender_name_th="จังหวัดสมุทรสาคร",
            sender_name_en="Samut Sakhon Province",
            letter=content,
            dispatched_at=now,
            deadline=None,
            relay_of_recipient_id=None,
            recipient_count=self.recipients,
            chunk=1,
            chunks=1,
            recipients=tuple(
                FrozenRecipient(
                    recipient_id=uuid4(),
                    position=position,
                    agency_id=self.agencies[position % len(self.agencies)],
                    title=f"นายอำเภอ {position}",
                    relay_duty=False,
                )
                for position in range(1, self.recipients + 1)
            ),
        )

    async def _publish(self, circular: CircularDispatched) -> None:
        """As the registry's relay would: the same message until the broker has confirmed it."""
        envelope = Envelope(source="wian/registry", type=circular.TYPE, data=circular.model_dump(mode="json"))
        body = envelope.model_dump_json(exclude_none=True).encode()
        message = Outgoing(Exchange.EVENTS, circular.TYPE, str(envelope.id), body)
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    (error,) = await self.running.publisher.publish([message])
                except broker.UNAVAILABLE as unavailable:
                    error = unavailable
                if error is None:
                    return
                await asyncio.sleep(PUBLISH_PAUSE)

    async def _until_done(self, name: str, circular_id: UUID, plan: Sequence[Kill], in_flight: int, begun: float) -> None:
        acknowledging = sum(answers(recipient.position) for recipient in self.sent[circular_id].recipients)
        ended = "ended"
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    progress = await self.running.ledger.progress(circular_id)
                    if min(progress.ended, progress.known) >= self.recipients and progress.acknowledged >= acknowledging:
                        break
                    await asyncio.sleep(POLL)
        except TimeoutError:
            ended = "NOT ENDED"
            self.out_of_patience |= await self.running.ledger.unfinished(circular_id)
        killed = " and ".join(
            f"{kill.role} at {kill.at:.2f} s{' of sending' if kill.after_first_webhook else ''}" for kill in plan
        )
        held = f", {in_flight} in flight" if any(kill.role is Role.WORKER for kill in plan) else ""
        print(f"round {name}: killed {killed}{held}; {ended} after {time.monotonic() - begun:.1f} s", flush=True)

    async def fates(self) -> list[Fate]:
        """What became of every recipient."""
        told, witnessed = await self.running.ledger.told(), self.running.witness.counts()
        seen, answered = self.running.receiver.seen, self.running.receiver.answered
        fates: list[Fate] = []
        for recipient in (recipient for circular in self.sent.values() for recipient in circular.recipients):
            recipient_id = recipient.recipient_id
            row, came = told.get(recipient_id), seen.get(recipient_id, Seen())
            fates.append(
                Fate(
                    recipient_id=recipient_id,
                    delivery_id=row and row.delivery_id,
                    state=row and row.state,
                    received=len(came.times),
                    webhook_ids=frozenset(came.webhook_ids),
                    bodies=len(came.bodies),
                    kills=self.killed[str(row.delivery_id)] if row else 0,
                    hand_over_known=row is not None and row.known,
                    expected_to_answer=answers(recipient.position),
                    answered=recipient_id in answered,
                    acknowledgments=max(row.acknowledgments if row else 0, witnessed[recipient_id]),
                    heard=row is not None and row.heard,
                    out_of_patience=recipient_id in self.out_of_patience,
                )
            )
        return fates


def _plans(dice: random.Random) -> Generator[list[Kill]]:
    """One or two kills a round; in the long run each role has its share, in an order that the dice decide."""
    bag: list[Role] = []
    while True:
        plan: list[Kill] = []
        for _ in range(2 if dice.random() < TWO_KILLS else 1):
            bag = bag or dice.sample(SHARES, len(SHARES))
            plan.append(Kill(bag.pop(), dice.uniform(*KILL_SECONDS), dice.random() < 0.5, dice.uniform(*OUTAGE_SECONDS)))
        # Two kills of one role in a round would overlap with its start.
        yield list({kill.role: kill for kill in plan}.values())


async def chaos(rounds: int, seed: int, recipients: int) -> int:
    """Play `rounds`; the last line printed is the verdict. Returns the exit status."""
    begun = time.monotonic()
    _hush()
    complaints: Sequence[str] = ()
    try:
        dice = random.Random(seed)
        async with system(random.Random(seed), patience=PATIENCE) as running:
            agencies = await running.ledger.add_agencies(AGENCIES, running.receiver.url, running.vault)
            made = Chaos(running, agencies, recipients, dice)
            await made.play(rounds)
            verdict = judge(await made.fates())
            report = _report(made, verdict, rounds, seed) | {"seconds": round(time.monotonic() - begun, 1)}
            complaints = verdict.complaints
            if complaints:
                raise FaultFound(report, [*complaints, *_refusals(running)])
    except FaultFound as found:
        report, complaints = found.report, found.complaints
        print("\n".join([*complaints, *getattr(found, "__notes__", ())]))
    print(json.dumps(report), flush=True)
    return 1 if complaints else 0


def _hush() -> None:
    """That the servers go away is the point here; every process' own log tells of it."""
    logs.configure("chaos", "error")
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _refusals(running: System) -> list[str]:
    return [f"recipient {recipient}: acknowledgment refused: {why}" for recipient, why in running.receiver.refusals.items()]


def _report(made: Chaos, verdict: Verdict, rounds: int, seed: int) -> dict[str, object]:
    return {
        "rounds": rounds,
        "deliveries": verdict.deliveries,
        "lost": len(verdict.lost),
        "acknowledged_twice": len(verdict.acknowledged_twice),
        "stuck": len(verdict.stuck),
        "duplicate_sends": verdict.duplicate_sends,
        "excess_duplicates": len(verdict.excess),
        "killed_in_flight": verdict.killed_in_flight,
        "kills": {role: made.kills[role] for role in Role},
        "seed": seed,
    }
