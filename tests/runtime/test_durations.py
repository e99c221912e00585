"""Lengths of time as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime.durations import DURATION_US_MAX, DurationInvalid, format_duration, parse_duration

SECOND_US = 1_000_000


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("PT0S", 0),
        ("PT30S", 30 * SECOND_US),
        ("PT1H30M", 5400 * SECOND_US),
        ("P1D", 86_400 * SECOND_US),
        ("P1DT1S", 86_401 * SECOND_US),
        ("P2W", 14 * 86_400 * SECOND_US),
        ("PT0.5S", 500_000),
        ("PT0,25S", 250_000),
        ("PT1.S", SECOND_US),
        ("PT0.1234567S", 123_456),
        ("pt5m", 300 * SECOND_US),
        ("-PT5S", -5 * SECOND_US),
        ("PT-5S", -5 * SECOND_US),
        ("-PT-5S", 5 * SECOND_US),
        ("PT-0.5S", -500_000),
        ("PT1M-1S", 59 * SECOND_US),
        ("30s", 30 * SECOND_US),
        ("1.5s", 1_500_000),
        ("250ms", 250_000),
        ("5min", 300 * SECOND_US),
        ("5 min", 300 * SECOND_US),
        ("90.0", 90_000_000),
        ("30", 30_000_000),
        ("-1.5", -1_500_000),
        ("1h 30min", 5400 * SECOND_US),
        ("1h30min", 5400 * SECOND_US),
        ("2d", 172_800 * SECOND_US),
        ("1w", 604_800 * SECOND_US),
    ],
)
def test_durations_are_read(text: str, us: int) -> None:
    """ISO 8601 with days and weeks, and plain forms whose units are clear."""
    assert parse_duration(text) == us


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write it like PT1H30M"),
        ("P", "write it like"),
        ("PT", "write it like"),
        ("P1DT", "write it like"),
        ("soon", "write it like"),
        ("PT1.5H", "write it like"),
        ("PT5S\n", "write it like"),
        ("PT٥S", "write it like"),
        ("1.", "write it like"),
        (".5", "write it like"),
        ("1e3", "write it like"),
        ("5m", "`m` could be minutes or months"),
        ("5 m", "`m` could be minutes or months"),
        ("30S", "begins with PT"),
        ("P1M", "no fixed length"),
        ("P1Y2D", "no fixed length"),
        ("P999999999999999999D", "longer than 292,000 years"),
        ("PT" + "9" * 5000 + "S", "write it like"),
    ],
)
def test_other_texts_are_refused(text: str, says: str) -> None:
    """What could mean two things, or nothing, is refused and says what to write."""
    with pytest.raises(DurationInvalid, match=says):
        parse_duration(text)


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "PT0S"),
        (500_000, "PT0.5S"),
        (5400 * SECOND_US, "PT1H30M"),
        (86_400 * SECOND_US, "PT24H"),
        (90_061 * SECOND_US + 1, "PT25H1M1.000001S"),
        (-5 * SECOND_US, "PT-5S"),
        (-5400 * SECOND_US, "PT-1H-30M"),
        (-500_000, "PT-0.5S"),
    ],
)
def test_durations_are_written_in_hours_and_less(us: int, text: str) -> None:
    """Days become hours, zeros are left out, and each part carries the sign."""
    assert format_duration(us) == text


@given(st.integers(-DURATION_US_MAX, DURATION_US_MAX))
def test_what_is_written_is_read_back(us: int) -> None:
    """Every duration survives its text."""
    assert parse_duration(format_duration(us)) == us


@given(st.text() | st.from_regex(r"[-+]?P?T?([0-9]{1,20}[.,]?[0-9]? ?[wdhmsWDHMS]){0,4}", fullmatch=True))
def test_no_text_raises_anything_else(text: str) -> None:
    """A text is a duration, or DurationInvalid; and a duration has one way of being written."""
    try:
        us = parse_duration(text)
    except DurationInvalid:
        return
    assert parse_duration(format_duration(us)) == us
