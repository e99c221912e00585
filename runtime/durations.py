"""Lengths of time as text: read from ISO 8601 and a few plain forms, written the way Java does.

A length is a whole number of microseconds; a bare number is seconds, as an input of type DURATION prints. Years, months
and a bare `m` are refused: they have no fixed length, or could be either. Digits below a microsecond are cut off.
"""

import re

UNITS_US = {
    "weeks": 604_800_000_000,
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
}
DURATION_US_MAX = 2**63 - 1  # about 292,000 years

NUMBER = "[-+]?[0-9]{1,18}"
ISO = re.compile(
    rf"(?P<sign>[-+]?)P(?:(?P<weeks>{NUMBER})W)?(?:(?P<days>{NUMBER})D)?"
    rf"(?:T(?=[-+0-9])(?:(?P<hours>{NUMBER})H)?(?:(?P<minutes>{NUMBER})M)?"
    rf"(?:(?P<seconds>{NUMBER})(?:[.,](?P<fraction>[0-9]{{0,9}}))?S)?)?",
    re.IGNORECASE,
)
COUNT = "[0-9]{1,18}"
PLAIN = re.compile(
    rf"(?P<sign>)(?:(?P<weeks>{COUNT}) ?w)? ?(?:(?P<days>{COUNT}) ?d)? ?(?:(?P<hours>{COUNT}) ?h)? ?"
    rf"(?:(?P<minutes>{COUNT}) ?min)? ?(?:(?P<seconds>{COUNT})(?:\.(?P<fraction>[0-9]{{1,9}}))? ?s)? ?"
    rf"(?:(?P<milliseconds>{COUNT}) ?ms)?"
)
SECONDS = re.compile(rf"(?P<sign>[-+]?)(?P<seconds>{COUNT})(?:\.(?P<fraction>[0-9]{{1,9}})[0-9]{{0,9}})?")
# What a refused text looks like, and what to say about it.
ADVICE = (
    (
        re.compile(r"[-+]?P[^T]*[0-9][YM]", re.IGNORECASE),
        "a year or a month has no fixed length; write days: P30D",
    ),
    (re.compile(r"[0-9]+ ?m\b"), "`m` could be minutes or months; write PT5M or 5min"),
    (re.compile(r"[-+]?[0-9]+[HMS]"), "an ISO duration begins with PT; write PT30S or 30s"),
)


class DurationInvalid(ValueError):
    """A text that is no length of time; the message says what to write."""


def parse_duration(text: str) -> int:
    """Return the microseconds of `PT1H30M`, `P2D`, `PT0.5S`, plainly `1h 30min`, or of seconds: `90.0`.

    Raises:
        DurationInvalid: The text is no duration, or longer than 292,000 years.
    """
    match = ISO.fullmatch(text) or PLAIN.fullmatch(text) or SECONDS.fullmatch(text)
    if match is None or not any(map(match.groupdict().get, UNITS_US)):
        raise DurationInvalid(f"not a duration: {_advice(text)}")
    parts = match.groupdict()
    total = sum(int(parts.get(unit) or 0) * length for unit, length in UNITS_US.items()) + _fraction_us(parts)
    if abs(total) > DURATION_US_MAX:
        raise DurationInvalid("not a duration: it is longer than 292,000 years")
    return -total if parts["sign"] == "-" else total


def bounded_duration(text: str) -> int:
    """Return the microseconds of a time limit: a duration longer than nothing.

    Raises:
        DurationInvalid: It is no duration, or leaves no time.
    """
    us = parse_duration(text)
    if us <= 0:
        raise DurationInvalid("must be longer than zero, such as PT30S")
    return us


def _fraction_us(parts: dict[str, str | None]) -> int:
    fraction = int((parts["fraction"] or "").ljust(6, "0")[:6])
    return -fraction if (parts["seconds"] or "").startswith("-") else fraction


def _advice(text: str) -> str:
    found = (advice for pattern, advice in ADVICE if pattern.match(text) and len(text) < 100)
    return next(found, "write it like PT1H30M, P2D, PT0.5S or 1h 30min")


def format_duration(us: int) -> str:
    """Write microseconds as hours, minutes and seconds: `PT24H`, `PT1H30M`, `PT0.5S`, `PT-5S`."""
    sign = "-" if us < 0 else ""
    minutes, rest_us = divmod(abs(us), UNITS_US["minutes"])
    hours, minutes = divmod(minutes, 60)
    seconds, fraction_us = divmod(rest_us, UNITS_US["seconds"])
    fraction = f".{fraction_us:06}".rstrip("0") if fraction_us else ""
    parts = ((f"{hours}H", hours), (f"{minutes}M", minutes), (f"{seconds}{fraction}S", rest_us))
    return "PT" + ("".join(sign + part for part, counts in parts if counts) or "0S")
