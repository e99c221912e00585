"""What each type makes of what a caller sent."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime.flow.coercion import ANY, CONVERT, ValueRejected, to_list
from hookledger.runtime.flow.source import Plain


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        ("STRING", "a", "a"),
        ("STRING", "", ""),
        ("STRING", 5, "5"),
        ("STRING", 1.5, "1.5"),
        ("STRING", True, "true"),
        ("SECRET", "s", "s"),
        ("INT", 5, 5),
        ("INT", 5.0, 5),
        ("INT", "-007", -7),
        ("INT", str(2**63 - 1), 2**63 - 1),
        ("FLOAT", 5, 5.0),
        ("FLOAT", "1.5e3", 1500.0),
        ("FLOAT", ".5", 0.5),
        ("BOOLEAN", False, False),
        ("BOOLEAN", "TRUE", True),
        ("BOOLEAN", "false", False),
        ("DATETIME", "2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000000Z"),
        ("DATETIME", "2026-01-31T09:30+02:00", "2026-01-31T07:30:00.000000Z"),
        ("DATETIME", "2026-01-31t09:30:00.5z", "2026-01-31T09:30:00.500000Z"),
        ("DATETIME", "2026-01-31T09:30:00.123456789Z", "2026-01-31T09:30:00.123456Z"),
        ("DATE", "2024-02-29", "2024-02-29"),
        ("TIME", "09:30", "09:30:00"),
        ("TIME", "09:30:00.250", "09:30:00.250"),
        ("DURATION", "P1DT0.5S", 86400.5),
        ("DURATION", "PT90S", 90.0),
        ("DURATION", "90.0", 90.0),
        ("DURATION", 90.0, 90.0),
        ("JSON", '{"a": [1, null]}', {"a": [1, None]}),
        ("JSON", {"a": (1, 2)}, {"a": [1, 2]}),
        ("JSON", 5, 5),
        ("YAML", "a: [no, 1]", {"a": ["no", 1]}),
        ("YAML", [1], [1]),
        ("FILE", "kestra:///a/b.csv", "kestra:///a/b.csv"),
        ("URI", "https://example.com/ü?q=1", "https://example.com/ü?q=1"),
        ("URI", "mailto:a@example.com", "mailto:a@example.com"),
        ("EMAIL", "a.b+c@mail.example.com", "a.b+c@mail.example.com"),
        ("EMAIL", "root@localhost", "root@localhost"),
    ],
)
def test_values_that_fit(type_name: str, value: object, expected: Plain) -> None:
    """Text is read as the type asks, and comes out in one way of writing it."""
    found = CONVERT[type_name](value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("type_name", "value", "says"),
    [
        ("STRING", ["a"], "expected text, got a list"),
        ("STRING", {}, "declare the type JSON"),
        ("STRING", math.nan, "data that JSON can hold"),
        ("STRING", "\ud800", "surrogate"),
        pytest.param("STRING", 10**5000, "data that JSON can hold", id="a number of 5001 digits"),
        ("INT", "", "a whole number such as 42"),
        ("INT", "5.0", "a whole number"),
        ("INT", " 5", "a whole number"),
        ("INT", "1_000", "a whole number"),
        ("INT", "٥", "a whole number"),
        ("INT", 5.5, "a whole number"),
        ("INT", True, "got a boolean"),
        ("INT", math.inf, "a whole number"),
        ("INT", 2**63, "64 bits; declare the type STRING"),
        ("FLOAT", "nan", "a number such as 1.5"),
        ("FLOAT", "1e999", "finite"),
        ("FLOAT", 10**400, "finite"),
        ("FLOAT", math.nan, "finite"),
        ("FLOAT", False, "got a boolean"),
        ("BOOLEAN", "yes", "expected true or false, got another text"),
        ("BOOLEAN", "1", "true or false"),
        ("BOOLEAN", 1, "got a whole number"),
        ("BOOLEAN", "", "true or false"),
        ("DATETIME", "2026-01-31T09:30:00", "with Z or an offset"),
        ("DATETIME", "2026-02-30T09:30:00Z", "an instant"),
        ("DATETIME", "0001-01-01T00:00:00+14:00", "an instant"),
        ("DATETIME", "20260131T093000Z", "an instant"),
        ("DATETIME", 1767225600, "got a whole number"),
        ("DATE", "2026-02-29", "a date such as"),
        ("DATE", "2026-W05-6", "a date"),
        ("TIME", "24:00", "a time such as"),
        ("TIME", "9:30", "a time"),
        ("TIME", "09:30:60", "a time"),
        ("DURATION", "5m", "write PT5M or 5min"),
        ("DURATION", True, "a duration such as"),
        ("JSON", "{a: 1}", "not valid JSON"),
        ("JSON", "[1,]", "not valid JSON"),
        ("JSON", "NaN", "not valid JSON"),
        ("JSON", '"\\ud800"', "not valid JSON"),
        ("JSON", "\ud800", "not valid JSON"),
        ("JSON", "[" * 100_000, "not valid JSON"),
        ("JSON", {"a": object()}, "data that JSON can hold"),
        ("JSON", [math.inf], "data that JSON can hold"),
        ("YAML", "a: 1\na: 2", "line 2, column 1: the key `a` stands twice"),
        ("URI", "example.com", "a URI such as"),
        ("URI", "http://a b", "a URI"),
        ("URI", "http://[::1", "a URI"),
        ("URI", "http://a/\ud800", "a URI"),
        ("FILE", 5, "got a whole number"),
        ("EMAIL", "a", "an address such as"),
        ("EMAIL", "a@b@c", "an address"),
        ("EMAIL", "A <a@b.c>", "an address"),
        ("EMAIL", "a@-b.c", "an address"),
        ("EMAIL", "a@" + "b." * 200 + "c", "an address"),
    ],
)
def test_values_that_do_not_fit(type_name: str, value: object, says: str) -> None:
    """A value that does not fit is refused with what to send, and is not guessed."""
    with pytest.raises(ValueRejected) as caught:
        CONVERT[type_name](value)
    assert says in str(caught.value)


def test_refusals_do_not_show_the_value() -> None:
    """A refused value may be a secret, so messages name its kind only."""
    for type_name in CONVERT.keys() - {"STRING", "SECRET", ANY}:
        with pytest.raises(ValueRejected) as caught:
            CONVERT[type_name]("hunter2 : : [")
        assert "hunter2" not in str(caught.value)


def test_lists_may_come_as_json() -> None:
    """A list is a list, or its JSON text; nothing is split at commas."""
    assert to_list(("a",)) == ["a"]
    assert to_list('["a"]') == ["a"]
    for value in ("a,b", '{"a": 1}', "5", {"a": 1}):
        with pytest.raises(ValueRejected):
            to_list(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
iso_texts = (
    st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
    | st.dates().map(lambda day: day.isoformat())
    | st.times().map(lambda moment: moment.isoformat())
    | st.from_regex(r"P[0-9]{1,4}DT[0-9]{1,4}(\.[0-9]{1,9})?S", fullmatch=True)
    | st.emails()
    | st.integers().map(str)
    | st.floats().map(str)
)


@given(st.sampled_from(sorted(CONVERT)), json_values | iso_texts)
def test_converting_again_changes_nothing(type_name: str, value: object) -> None:
    """A result is plain JSON, and converting it once more gives the same."""
    try:
        once = CONVERT[type_name](value)
    except ValueRejected:
        return
    assert json.loads(json.dumps(once, allow_nan=False)) == once
    if type_name not in {"JSON", "YAML"} or not isinstance(once, str):  # a text inside a text is read once
        assert CONVERT[type_name](once) == once
