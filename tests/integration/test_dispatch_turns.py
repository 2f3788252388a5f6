"""Fair turns between senders, as a state machine over the statements that give the turns and take them."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from services.dispatch.store import circulars, claims
from services.dispatch.store.circulars import NewDelivery
from shared.contracts.events import Channel
from shared.contracts.topology import Lane
from shared.ids import new_id
from shared.postgres import open_database
from tests.support.dispatch import circular_dispatched

SENDERS = [UUID(int=n) for n in range(1, 5)]


class Turns(RuleBasedStateMachine):
    """Senders who send as much as they like, whenever they like, in one lane.

    However much the others send: of each of them no more letters go before a sender's nth letter, once that has come, than n.
    """

    def __init__(self, dsn: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        opening = self.stack.enter_async_context(open_database(dsn, service="dispatch", pool_size=1))
        self.database = self.runner.run(opening)
        self.waiting: dict[UUID, tuple[UUID, int]] = {}  # by delivery: its sender, and the how manieth of its letters it is
        self.sent: Counter[UUID] = Counter()
        self.gone_before: dict[UUID, Counter[UUID]] = {}  # by delivery: of each sender, since it came
        self.runner.run(self._empty())

    def teardown(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    async def _empty(self) -> None:
        async with self.database.transaction() as connection:
            for statement in ("DELETE FROM deliveries", "DELETE FROM circulars", "DELETE FROM turns"):
                await connection.execute(statement)

    @rule(sender=st.sampled_from(SENDERS), letters=st.integers(1, 12))
    def send(self, sender: UUID, letters: int) -> None:
        event = circular_dispatched([new_id() for _ in range(letters)], sender=sender)
        now = datetime.now(UTC)
        new = [NewDelivery(new_id(), one, "link", Channel.WEBHOOK, now, now + timedelta(days=1)) for one in event.recipients]

        async def add() -> None:
            async with self.database.transaction() as connection:
                await circulars.add_circular(connection, event, Lane.NORMAL, None)
                await circulars.add_deliveries(connection, event.circular_id, sender, Lane.NORMAL, new)

        self.runner.run(add())
        for one in new:
            self.sent[sender] += 1
            self.waiting[one.delivery_id] = (sender, self.sent[sender])
            self.gone_before[one.delivery_id] = Counter()

    @precondition(lambda self: self.waiting)
    @rule(most=st.integers(1, 10))
    def claim(self, most: int) -> None:
        async def take() -> list[UUID]:
            async with self.database.transaction() as connection:
                due = await claims.lock_due(connection, lanes=[(Lane.NORMAL, Channel.WEBHOOK)], window=1000, most=most)
                taken = [one.delivery_id for one in due]
                await connection.execute("DELETE FROM deliveries WHERE delivery_id = ANY($1::uuid[])", taken)
                return taken

        taken = self.runner.run(take())
        assert len(taken) == min(most, len(self.waiting)), "nobody waits while there is room"
        for delivery_id in taken:
            sender, nth = self.waiting.pop(delivery_id)
            mine = [number for whose, number in self.waiting.values() if whose == sender]
            assert nth < min(mine, default=nth + 1), "a sender's own letters go in their order"
            for other, before in self.gone_before.pop(delivery_id).items():
                assert other == sender or before <= nth, "a long list has gone before the letter of another"
            for still in self.waiting:
                self.gone_before[still][sender] += 1


def test_no_list_however_long_holds_up_the_letters_of_others(database_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # So far apart that the pace of this test plays no part.
    monkeypatch.setattr(circulars, "TURN_SPACING", timedelta(hours=1))
    monkeypatch.setattr(circulars, "TURN_HORIZON", timedelta(days=10_000))
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much]

    class Here(Turns):
        def __init__(self) -> None:
            super().__init__(database_dsn)

    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=slow),
    )
