"""Working time: what is added is what lies between, and no moment falls on a day off."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.thai.dates import BANGKOK
from shared.thai.working_time import CLOSES, OPENS, PUBLIC, Calendar, shift, working_between

moments = st.datetimes(datetime(2025, 12, 20), datetime(2027, 1, 15), timezones=st.just(UTC)).map(  # noqa: DTZ001 - made aware
    lambda at: at.replace(microsecond=0)
)
spans = st.integers(1, 60 * 60 * 40).map(lambda seconds: timedelta(seconds=seconds))
calendars = st.builds(
    Calendar,
    st.frozensets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=5),
    st.frozensets(st.dates(date(2026, 1, 1), date(2026, 12, 31)), max_size=5),
)


# The first look at a year makes its calendar.
@settings(deadline=None)
@given(moments, spans, calendars)
def test_what_is_added_lies_between(moment: datetime, span: timedelta, calendar: Calendar) -> None:
    later = shift(moment, span, calendar)
    assert later > moment
    assert working_between(moment, later, calendar) == span
    earlier = shift(moment, -span, calendar)
    assert earlier < moment
    assert working_between(earlier, moment, calendar) == span


@settings(deadline=None)
@given(moments, spans, calendars)
def test_no_moment_falls_outside_working_hours(moment: datetime, span: timedelta, calendar: Calendar) -> None:
    for found in (shift(moment, span, calendar), shift(moment, -span, calendar)):
        local = found.astimezone(BANGKOK)
        assert calendar.is_working(local.date())
        assert OPENS <= 60 * local.hour + local.minute <= CLOSES


@settings(deadline=None)
@given(moments, spans, spans)
def test_more_time_is_later(moment: datetime, one: timedelta, other: timedelta) -> None:
    assert (shift(moment, one) <= shift(moment, other)) == (one <= other)
    assert shift(moment, timedelta(0)) == moment


def _bangkok(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BANGKOK)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-23 09:00", 2, "2026-11-23 11:00"),
        ("2026-11-20 16:00", 1, "2026-11-23 09:00"),  # over a weekend
        ("2026-11-20 16:00", 0.5, "2026-11-20 16:30"),  # to the minute on which the office closes
        ("2026-12-04 15:30", 2, "2026-12-08 09:30"),  # 5 December is a Saturday, and the Monday after stands in for it
        ("2026-04-10 16:00", 1, "2026-04-16 09:00"),  # over Songkran
        ("2026-12-31 10:00", 1, "2027-01-04 09:30"),  # New Year's Eve and New Year's Day are free
        ("2026-11-23 23:59", 1, "2026-11-24 09:30"),
        ("2026-11-24 00:00", 1, "2026-11-24 09:30"),
        ("2026-11-24 08:30", -1, "2026-11-23 15:30"),
        ("2026-11-22 12:00", -8, "2026-11-20 08:30"),
    ],
)
def test_hours_by_hand(start: str, hours: float, end: str) -> None:
    assert shift(_bangkok(start), timedelta(hours=hours)) == _bangkok(end)


def test_days_of_one_installation_differ_from_the_public_calendar() -> None:
    cabinet = Calendar(closed=frozenset({date(2026, 11, 24)}), opened=frozenset({date(2026, 11, 28)}))
    assert shift(_bangkok("2026-11-23 16:00"), timedelta(hours=1), cabinet) == _bangkok("2026-11-25 09:00")
    assert shift(_bangkok("2026-11-27 16:00"), timedelta(hours=1), cabinet) == _bangkok("2026-11-28 09:00")
    assert PUBLIC.is_working(date(2026, 11, 24))
    everything = Calendar(closed=frozenset(date(2026, 1, 1) + timedelta(days=day) for day in range(4000)))
    with pytest.raises(ValueError, match="no working time"):
        shift(_bangkok("2026-01-01 09:00"), timedelta(hours=1), everything)
