"""Public holidays, from the `holidays` package."""

from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.library.arguments import text_of
from hookledger.runtime.expressions.library.dates import day_of
from hookledger.runtime.expressions.library.registry import FUNCTIONS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value


@lru_cache(maxsize=64)
def calendar_of(country: str, subdivision: str | None, year: int) -> Any:
    """The holidays of a country in a year. Imported late: the package is large and rarely needed."""
    from holidays.utils import country_holidays

    try:
        return country_holidays(country, subdiv=subdivision, years=year)
    except (NotImplementedError, KeyError) as error:
        raise WrongValue(f"the holidays of `{country[:20]}` are not known") from error


def is_holiday(day: date, country: str, subdivision: str | None) -> bool:
    """Whether a day is a holiday."""
    return day in calendar_of(country.upper(), subdivision, day.year)


@FUNCTIONS("isPublicHoliday", "date", "countryCode", "subDivision?")
def is_public_holiday(_run: Run, value: Value, country: Value, subdivision: Value = None) -> bool:
    """Whether a date is a public holiday in a country or a part of it."""
    part = None if subdivision is None else text_of(subdivision, "`subDivision`").strip() or None
    return is_holiday(day_of(value), text_of(country, "`countryCode`"), part)


@FUNCTIONS("isLastWorkingDay", "date", "countryCode?", "subDivision?")
def is_last_working_day(_run: Run, value: Value, country: Value = None, subdivision: Value = None) -> bool:
    """Whether a date is the last day of its month that is no weekend and no holiday of a given country."""
    day = day_of(value)
    code = None if country is None else text_of(country, "`countryCode`")
    part = None if subdivision is None else text_of(subdivision, "`subDivision`")
    last = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    while last.weekday() >= 5 or (code is not None and is_holiday(last, code, part)):
        last -= timedelta(days=1)
    return day == last
