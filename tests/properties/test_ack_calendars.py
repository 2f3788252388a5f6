"""Declared days, hours and deadlines: never earlier when working time is taken away, whatever else is declared."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ack.calendars import Cause, Day, Kind, Own, moved, with_own
from services.ack.deadlines import Rules, deadline_of
from services.ack.office_hours import HoursFrom, in_force
from shared.contracts.events import Speed
from shared.thai.dates import BANGKOK
from shared.thai.working_time import PUBLIC, Calendar, Hours, working_between

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


def days(closed_days: frozenset[date], kind: Kind = Kind.CLOSED) -> tuple[Day, ...]:
    return tuple(Day(day, kind, "น้ำท่วม") for day in closed_days)


@settings(deadline=None)
@given(moments, speeds, closed, closed)
def test_more_days_off_are_never_earlier_and_more_days_of_work_never_later(
    at: datetime, speed: Speed, some: frozenset[date], more: frozenset[date]
) -> None:
    off, further = with_own(PUBLIC, Own(days(some))), with_own(PUBLIC, Own(days(some | more)))
    assert due(speed, at, PUBLIC) <= due(speed, at, off) <= due(speed, at, further)
    assert due(speed, at, with_own(off, Own(days(more, Kind.OPEN)))) <= due(speed, at, off)


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
        now = Own(tuple(Day(one, its, "ก") for one, its in standing.items()))
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
    move = moved(speed, at, before, Own(days(off)), rules())
    assert (move.due_at if move else before) == due(speed, at, with_own(PUBLIC, Own(days(off))))
    assert moved(speed, at, before, Own(), rules()) is None


@settings(deadline=None)
@given(moments, speeds, dates)
def test_a_day_outside_the_time_allowed_moves_nothing(at: datetime, speed: Speed, day: date) -> None:
    before = due(speed, at, PUBLIC)
    if not (at - timedelta(days=1)).date() <= day <= (before + timedelta(days=1)).date():
        assert moved(speed, at, before, Own(days(frozenset({day}))), rules(), Cause(day, "ก")) is None


minutes = st.integers(1, 4).flatmap(lambda spans: st.sets(st.integers(0, 1440), min_size=2 * spans, max_size=2 * spans))
hours = minutes.map(lambda found: Hours(tuple(sorted(found))))
steps = st.dictionaries(dates, hours, max_size=4).map(
    lambda found: tuple(HoursFrom(day, found[day], "ข") for day in sorted(found))
)


@settings(deadline=None)
@given(moments, speeds, steps, closed)
def test_hours_of_an_agencys_own_are_counted_to_the_minute(
    at: datetime, speed: Speed, own: tuple[HoursFrom, ...], off: frozenset[date]
) -> None:
    calendar = with_own(PUBLIC, Own(days(off), own))
    found = due(speed, at, calendar)
    assert working_between(at, found, calendar) == timedelta(hours=rules().hours[speed])
    day = found.astimezone(BANGKOK).date()
    spans = [*calendar.open_on(day - timedelta(days=1)), *calendar.open_on(day)]  # midnight ends the day before
    assert any(opens < found <= closes for opens, closes in spans)


@settings(deadline=None)
@given(moments, speeds, st.lists(st.tuples(dates, hours, st.booleans()), max_size=5))
def test_an_open_deadline_never_moves_earlier_for_any_hours(
    at: datetime, speed: Speed, declared: list[tuple[date, Hours, bool]]
) -> None:
    standing: dict[date, Hours] = {}
    current = due(speed, at, PUBLIC)
    for day, own, taken_back in declared:
        if taken_back:
            standing.pop(day, None)
        else:
            standing[day] = own
        now = Own(hours=tuple(HoursFrom(one, standing[one], "ข") for one in sorted(standing)))
        cause = Cause(day, "ข", onwards=True)
        move = moved(speed, at, current, now, rules(), cause)
        if move is not None:
            assert move.due_at > current
            assert move.due_at == due(speed, at, with_own(PUBLIC, now))
            assert day <= move.due_at.astimezone(BANGKOK).date(), "what begins later moves nothing"
            assert f"{day.isoformat()} ข" in move.reason.split("; ")
            current = move.due_at
        assert moved(speed, at, current, now, rules(), cause) is None


@given(st.dictionaries(st.integers(0, 3), steps.filter(bool), min_size=1))
def test_the_nearest_hours_count_on_every_day(levels: dict[int, tuple[HoursFrom, ...]]) -> None:
    found = in_force(levels)
    assert [one.day for one in found] == sorted({one.day for one in found})
    for day in {one.day + timedelta(days=more) for own in levels.values() for one in own for more in (-1, 0, 1)}:
        begun = [[one for one in levels[level] if one.day <= day] for level in sorted(levels)]
        nearest = next((own[-1].hours for own in begun if own), None)
        counting = [one.hours for one in found if one.day <= day]
        assert (counting[-1] if counting else None) == nearest
