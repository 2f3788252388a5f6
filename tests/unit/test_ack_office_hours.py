"""Which hours an office may declare, and how they are counted."""

from datetime import datetime, timedelta

import pytest

from services.ack.office_hours import HoursError, read_hours, written
from shared.thai.dates import BANGKOK
from shared.thai.working_time import Calendar, Hours, shift

NOON_OFF = [("08:30", "12:00"), ("13:00", "16:30")]


@pytest.mark.parametrize(
    ("spans", "minutes"),
    [(NOON_OFF, (510, 720, 780, 990)), ([("00:00", "24:00")], (0, 1440)), ([("09:00", "13:00")], (540, 780))],
)
def test_hours_are_read_and_written_as_they_were(spans: list[tuple[str, str]], minutes: tuple[int, ...]) -> None:
    assert read_hours(spans) == Hours(minutes)
    assert written(Hours(minutes)) == spans


@pytest.mark.parametrize(
    ("spans", "wrong"),
    [
        ([], "1 to 4 spans, got 0"),
        ([("08:30", "09:30")] * 5, "1 to 4 spans, got 5"),
        ([("16:30", "08:30")], "each time lies after"),
        ([("22:00", "06:00")], "nor pass midnight"),
        ([("08:30", "08:30")], "each time lies after"),
        ([("08:30", "12:00"), ("11:00", "16:30")], "nor overlap"),
        ([("08:30", "12:00"), ("12:00", "16:30")], "neither touch"),
        ([("13:00", "16:30"), ("08:30", "12:00")], "spans in order"),
        ([("08:30", "12:29")], "at least 4 hours a day together, got 239 minutes"),
        ([("8:30", "16:30")], "a time of day such as '08:30', up to '24:00', got '8:30'"),
        ([("08:30", "24:01")], "got '24:01'"),
        ([("08:30", "16:60")], "got '16:60'"),
        ([("๐๘:๓๐", "16:30")], "a time of day"),
        ([("08:30\n", "16:30")], "a time of day"),
        ([("", "16:30")], "a time of day"),
    ],
)
def test_what_cannot_be_the_hours_of_an_office_is_refused(spans: list[tuple[str, str]], wrong: str) -> None:
    with pytest.raises(HoursError, match=wrong):
        read_hours(spans)


def _bangkok(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BANGKOK)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-11-24 09:00", 4, "2026-11-24 14:00"),  # over noon
        ("2026-11-24 12:30", 1, "2026-11-24 14:00"),  # from noon
        ("2026-11-24 09:00", 3, "2026-11-24 12:00"),  # to the minute on which it closes
        ("2026-11-24 16:00", 1, "2026-11-25 09:00"),
        ("2026-11-27 16:00", 1, "2026-11-30 00:30"),  # over a weekend, to hours of the whole day that begin on Monday
        ("2026-12-01 23:00", 2, "2026-12-02 01:00"),  # over midnight
        ("2026-12-04 22:00", 2, "2026-12-05 00:00"),  # to midnight, before a day off
        ("2026-12-04 22:00", 3, "2026-12-08 01:00"),  # over it: Saturday, Sunday, and a holiday's day in lieu
        ("2026-11-30 01:00", -2, "2026-11-27 15:30"),
        ("2026-11-24 14:00", -4, "2026-11-24 09:00"),
    ],
)
def test_hours_count_from_their_day_on(start: str, hours: int, end: str) -> None:
    all_day = (_bangkok("2026-11-30").date(), read_hours([("00:00", "24:00")]))
    calendar = Calendar(hours=((_bangkok("2026-11-01").date(), read_hours(NOON_OFF)), all_day))
    assert shift(_bangkok(start), timedelta(hours=hours), calendar) == _bangkok(end)
