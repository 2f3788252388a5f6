"""Which deliveries may go: limits are never exceeded, nobody who has room waits, and turns are kept within an agency."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.dispatch.breaker import HEALTHY, Circuit, CircuitState
from services.dispatch.flow import BURST_SECONDS, Candidate, Flow, Limits, admit, next_look, room, spend
from shared.contracts.events import Channel
from shared.contracts.topology import Lane

NOW = datetime(2026, 11, 23, tzinfo=UTC)
AGENCIES = [UUID(int=n) for n in range(1, 6)]
OPEN = Circuit(CircuitState.OPEN, 5, 1, NOW + timedelta(seconds=30))
OVER = Circuit(CircuitState.OPEN, 5, 1, NOW - timedelta(seconds=1))

flows = st.builds(
    Flow,
    circuit=st.sampled_from([HEALTHY, OPEN, OVER]),
    paused=st.booleans(),
    in_flight=st.integers(0, 12),
    limits=st.builds(Limits, st.integers(1, 10), st.none() | st.floats(0.1, 50)),
    spent_until=st.none() | st.floats(-5, 5).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)
candidates = st.lists(
    st.tuples(st.sampled_from(AGENCIES), st.sampled_from([Channel.WEBHOOK, Channel.WEBHOOK, Channel.EMAIL])), max_size=60
).map(lambda made: [Candidate(UUID(int=100 + n), agency, Lane.NORMAL, channel) for n, (agency, channel) in enumerate(made)])


@given(candidates, st.fixed_dictionaries(dict.fromkeys(AGENCIES, flows)))
def test_a_claim_grants_what_each_agency_has_room_for_and_parks_the_rest(due: list[Candidate], states: dict[UUID, Flow]) -> None:
    admission = admit(due, states, NOW)
    assert sorted([*admission.granted, *admission.parked], key=lambda one: one.delivery_id) == due
    granted = Counter(one.agency_id for one in admission.granted if one.channel is Channel.WEBHOOK)
    wanted = Counter(one.agency_id for one in due if one.channel is Channel.WEBHOOK)
    for agency, flow in states.items():
        assert granted[agency] == min(wanted[agency], room(flow, NOW)), "no more than there is room for, and no less"
        if granted[agency]:
            assert granted[agency] + flow.in_flight <= flow.limits.in_flight
            assert not flow.paused
            assert flow.circuit is not OPEN
        mine = [one for one in due if one.agency_id == agency and one.channel is Channel.WEBHOOK]
        assert [one for one in admission.granted if one in mine] == mine[: granted[agency]], "first come, first served"
    assert all(one.channel is Channel.WEBHOOK for one in admission.parked), "mail goes to our own server"
    assert set(admission.look_at) == {one.agency_id for one in admission.parked}
    assert all(at > NOW for at in admission.look_at.values()), "whoever is parked is looked at later"


@given(flows)
def test_an_agency_without_room_is_looked_at_again_soon_enough(flow: Flow) -> None:
    at = next_look(flow, NOW)
    assert NOW < at <= NOW + timedelta(seconds=30)
    if flow.circuit is OPEN and not flow.paused:
        assert at == OPEN.open_until


class Rate(RuleBasedStateMachine):
    """An agency with a rate: over any stretch of time no more than the rate and one burst."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.rate = 5.0
        self.spent_until: datetime | None = None
        self.sent: list[datetime] = []

    @rule(wanted=st.integers(1, 20))
    def claim(self, wanted: int) -> None:
        flow = Flow(HEALTHY, paused=False, in_flight=0, limits=Limits(100, self.rate), spent_until=self.spent_until)
        taken = min(wanted, room(flow, self.now))
        self.spent_until = spend(flow, taken, self.now) if taken else self.spent_until
        self.sent += [self.now] * taken

    @rule(seconds=st.floats(0.01, 3))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def never_over_the_rate(self) -> None:
        for begun in set(self.sent):
            since = [at for at in self.sent if at >= begun]
            stretch = (self.now - begun).total_seconds()
            assert len(since) <= self.rate * (stretch + BURST_SECONDS) + 1e-3


TestRate = Rate.TestCase
