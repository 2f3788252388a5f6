"""The circuit breaker as a state machine: whatever happens in whatever order, it opens, finds out, and closes again."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.dispatch.breaker import HEALTHY, OUR_OWN_TROUBLE, BreakerPolicy, CircuitState, after, look, room
from services.dispatch.outcomes import Delivered, Gone, Outcome, Refused, RetryLater
from services.dispatch.reasons import Reason, http_reason

POLICY = BreakerPolicy(threshold=3, first_pause=30, longest_pause=240)
TROUBLE = [
    RetryLater("timeout"),
    RetryLater("connection_failed"),
    RetryLater(http_reason(503), 503),
    RetryLater(http_reason(429), 429, "", 5),
]
ANSWERS = [Delivered(204), Refused(http_reason(404), 404), Gone(410)]
LIMIT = 10


class Breaker(RuleBasedStateMachine):
    """An endpoint that answers or not, and a clock that goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 11, 23, tzinfo=UTC)
        self.circuit = HEALTHY
        self.failures = 0

    def _attempt(self, outcome: Outcome, dice: float) -> None:
        self.circuit = after(self.circuit, [outcome], POLICY, self.now, dice)

    @rule(outcome=st.sampled_from(TROUBLE), dice=st.floats(0, 1))
    def fails(self, outcome: Outcome, dice: float) -> None:
        was = look(self.circuit, self.now)
        self._attempt(outcome, dice)
        self.failures += 1
        if was.state is CircuitState.OPEN:
            assert self.circuit == was, "what was under way when it opened does not lengthen the pause"
        if was.state is CircuitState.HALF_OPEN:
            assert self.circuit.state is CircuitState.OPEN
            assert self.circuit.openings == was.openings + 1
        if self.failures >= POLICY.threshold:
            assert self.circuit.state is CircuitState.OPEN

    @rule(outcome=st.sampled_from(ANSWERS), dice=st.floats(0, 1))
    def answers(self, outcome: Outcome, dice: float) -> None:
        self._attempt(outcome, dice)
        self.failures = 0
        assert self.circuit == HEALTHY

    @rule(reason=st.sampled_from(sorted(OUR_OWN_TROUBLE)), dice=st.floats(0, 1))
    def our_own_trouble(self, reason: Reason, dice: float) -> None:
        before = look(self.circuit, self.now)
        self._attempt(RetryLater(reason), dice)
        assert self.circuit == before

    @rule(seconds=st.floats(0.1, 400))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.circuit.open_until is not None)
    @rule()
    def the_pause_ends(self) -> None:
        assert self.circuit.open_until is not None
        self.now = max(self.now, self.circuit.open_until)
        assert room(look(self.circuit, self.now), LIMIT) == 1

    @invariant()
    def it_never_sleeps_for_ever(self) -> None:
        if self.circuit.open_until is not None:
            assert self.circuit.open_until <= self.now + timedelta(seconds=POLICY.longest_pause * 1.2)
        assert (self.circuit.state is CircuitState.OPEN) == (self.circuit.open_until is not None)

    @invariant()
    def it_admits_what_its_state_says(self) -> None:
        admitted = room(look(self.circuit, self.now), LIMIT)
        assert admitted in (0, 1, LIMIT)
        assert (admitted == LIMIT) == (self.circuit.state is CircuitState.CLOSED)


TestBreaker = Breaker.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.integers(1, 12), st.floats(0, 1))
def test_each_opening_in_a_row_pauses_longer_up_to_the_longest(openings: int, dice: float) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    circuit = after(HEALTHY, [RetryLater("timeout")] * POLICY.threshold, POLICY, now, dice)
    for n in range(1, openings + 1):
        assert circuit.openings == n
        assert circuit.open_until is not None
        planned = min(POLICY.first_pause * 2 ** (n - 1), POLICY.longest_pause)
        assert 0.8 * planned - 0.001 <= (circuit.open_until - now).total_seconds() <= 1.2 * planned + 0.001
        now = circuit.open_until
        circuit = after(circuit, [RetryLater("timeout")], POLICY, now, dice)


def test_an_endpoint_that_asks_for_a_pause_gets_it() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    asked = RetryLater(http_reason(429), 429, "", 600)
    circuit = after(HEALTHY, [asked] * POLICY.threshold, POLICY, now, 0.5)
    assert circuit.open_until == now + timedelta(seconds=600)
