"""Declared days and deadlines: never earlier when days are taken away, whatever else is declared."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ack.calendars import Cause, Day, Kind, moved, with_days
from services.ack.deadlines import Rules, deadline_of
from shared.contracts.events import Speed
from shared.thai.working_time import PUBLIC, Calendar

# Over New Year and over Songkran, at any time of the day and so over midnight too.
moments = st.one_of(
    st.datetimes(datetime(2026, 12, 20), datetime(2027, 1, 6), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware
    st.datetimes(datetime(2027, 4, 5), datetime(2027, 4, 18), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware
)
dates = st.one_of(st.dates(date(2026, 12, 20), date(2027, 1, 20)), st.dates(date(2027, 4, 5), date(2027, 5, 5)))
closed = st.frozensets(dates, max_size=8)
speeds = st.sampled_from(Speed)


def rules(calendar: Calendar = PUBLIC) -> Rules:
    return Rules(dict(zip(Speed, (16.0, 8.0, 4.0, 2.0), strict=True)), (), 16.0, calendar)


def due(speed: Speed, at: datetime, calendar: Calendar) -> datetime:
    found = deadline_of(None, speed, at, rules(calendar))
    assert found is not None
    return found[0]


def days(closed_days: frozenset[date], kind: Kind = Kind.CLOSED) -> list[Day]:
    return [Day(day, kind, "น้ำท่วม") for day in closed_days]


@settings(deadline=None)
@given(moments, speeds, closed, closed)
def test_more_days_off_are_never_earlier_and_more_days_of_work_never_later(
    at: datetime, speed: Speed, some: frozenset[date], more: frozenset[date]
) -> None:
    off, further = with_days(PUBLIC, days(some)), with_days(PUBLIC, days(some | more))
    assert due(speed, at, PUBLIC) <= due(speed, at, off) <= due(speed, at, further)
    assert due(speed, at, with_days(off, days(more, Kind.OPEN))) <= due(speed, at, off)


@settings(deadline=None)
@given(moments, speeds, st.lists(st.tuples(dates, st.sampled_from(Kind)), max_size=6), st.data())
def test_an_open_deadline_never_moves_earlier_and_looking_again_changes_nothing(
    at: datetime, speed: Speed, declared: list[tuple[date, Kind]], data: st.DataObject
) -> None:
    standing: dict[date, Kind] = {}
    current = due(speed, at, PUBLIC)
    for day, kind in declared:
        if data.draw(st.booleans()):
            standing[day] = kind
        else:
            standing.pop(day, None)
        now = [Day(one, its, "ก") for one, its in standing.items()]
        move = moved(speed, at, current, now, rules(), Cause(day, "ก"))
        if move is not None:
            assert move.due_at > current
            assert f"{day.isoformat()} ก" in move.reason.split("; ")
            current = move.due_at
        assert moved(speed, at, current, now, rules(), Cause(day, "ก")) is None


@settings(deadline=None)
@given(moments, speeds, closed)
def test_days_that_are_taken_back_leave_new_deadlines_as_they_were(at: datetime, speed: Speed, off: frozenset[date]) -> None:
    before = due(speed, at, PUBLIC)
    move = moved(speed, at, before, days(off), rules())
    assert (move.due_at if move else before) == due(speed, at, with_days(PUBLIC, days(off)))
    assert moved(speed, at, before, [], rules()) is None


@settings(deadline=None)
@given(moments, speeds, dates)
def test_a_day_outside_the_time_allowed_moves_nothing(at: datetime, speed: Speed, day: date) -> None:
    before = due(speed, at, PUBLIC)
    if not (at - timedelta(days=1)).date() <= day <= (before + timedelta(days=1)).date():
        assert moved(speed, at, before, days(frozenset({day})), rules(), Cause(day, "ก")) is None
