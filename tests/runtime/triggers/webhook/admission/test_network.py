"""Addresses, cross-origin rules, rate limits and trace context."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime.triggers.webhook.admission.cors import actual, is_preflight, parse_cors, preflight
from hookledger.runtime.triggers.webhook.admission.ip import (
    client_address,
    is_allowed,
    parse_address,
    parse_networks,
)
from hookledger.runtime.triggers.webhook.admission.ratelimit import (
    Buckets,
    Rate,
    parse_rate_limit,
    rate_of,
    take,
)
from hookledger.runtime.triggers.webhook.admission.traceparent import read_trace

TRUSTED, _ = parse_networks(["10.0.0.0/8", "::1/128"])
XFF = "X-Forwarded-For"


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("203.0.113.9", [(XFF, "198.51.100.1")], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [(XFF, "1.1.1.1, 198.51.100.1, 10.0.0.2")], "198.51.100.1"),
        ("10.0.0.1", [(XFF, "1.1.1.1"), (XFF, "198.51.100.1:4711")], "198.51.100.1"),
        ("::1", [(XFF, "[2001:db8::5]:443")], "2001:db8::5"),
        ("::ffff:10.0.0.1", [(XFF, "::ffff:198.51.100.7")], "198.51.100.7"),
        ("10.0.0.1", [("Forwarded", 'for=1.1.1.1, FOR="[2001:db8::5]:80";proto=https')], "2001:db8::5"),
        ("10.0.0.1", [("Forwarded", "proto=https;for=198.51.100.1")], "198.51.100.1"),
        ("10.0.0.1", [(XFF, "198.51.100.1"), ("Forwarded", "for=9.9.9.9")], "None"),
        ("10.0.0.1", [(XFF, "198.51.100.1, unknown")], "None"),
        ("10.0.0.1", [("Forwarded", "for=_hidden")], "None"),
        ("10.0.0.1", [(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
        ("not an address", [], "None"),
    ],
)
def test_the_client_is_the_first_hop_that_is_not_ours(peer: str, headers: Any, expected: str) -> None:
    """
    From the right, through trusted proxies only; what cannot be known is nobody.
    """
    assert str(client_address(peer, headers, TRUSTED)) == expected


def test_allow_lists() -> None:
    """
    Without a list everybody, with one only those on it, and never somebody unknown.
    """
    allowed, problems = parse_networks(["198.51.100.0/24", "2001:db8::/32", "10.0.0.1/8", "x"])
    assert [problem.path for problem in problems] == ["allowedIps[2]", "allowedIps[3]"]
    assert is_allowed(parse_address("::ffff:198.51.100.7"), allowed)
    assert is_allowed(parse_address("2001:db8::1"), allowed)
    assert not is_allowed(parse_address("198.51.101.1"), allowed)
    assert not is_allowed(None, allowed)
    assert is_allowed(None, ())


@given(st.text(max_size=30), st.lists(st.tuples(st.sampled_from([XFF, "Forwarded"]), st.text(max_size=40))))
def test_addresses_never_raise(peer: str, headers: list[tuple[str, str]]) -> None:
    """
    Any peer and any forwarding headers end in an address or in nobody.
    """
    client_address("10.0.0.1", headers, TRUSTED)
    client_address(peer, headers, TRUSTED)


def test_cors() -> None:
    """
    A listed origin is named back with Vary; another one gets no permission at all.
    """
    cors, problems = parse_cors({"origins": ["https://app.example"], "credentials": True, "maxAge": "PT1H"})
    assert problems == []
    assert cors is not None
    granted = dict(preflight(cors, "https://app.example"))
    assert granted["Access-Control-Allow-Origin"] == "https://app.example"
    assert granted["Access-Control-Allow-Credentials"] == "true"
    assert granted["Access-Control-Max-Age"] == "3600"
    assert preflight(cors, "https://evil.example") == [("Vary", "Origin")]
    assert actual(cors, None) == []
    assert is_preflight("OPTIONS", [("Origin", "x"), ("Access-Control-Request-Method", "POST")])
    everybody, _ = parse_cors({"origins": ["*"]})
    assert everybody is not None
    assert actual(everybody, "https://any.example") == [("Access-Control-Allow-Origin", "*")]


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"origins": ["*"], "credentials": True}, "cors.credentials"),
        ({"origins": []}, "cors.origins"),
        ({"origins": ["https://a.example/path"]}, "cors.origins[0]"),
        ({"origins": ["https://a.example"], "headers": ["a b"]}, "cors.headers"),
        ({"origins": ["https://a.example"], "maxAge": "1h"}, "cors.maxAge"),
    ],
)
def test_cors_problems(raw: Any, path: str) -> None:
    """
    `*` with credentials and everything malformed is refused when the flow loads.
    """
    assert path in {problem.path for problem in parse_cors(raw)[1]}


def test_a_bucket_drains_and_refills() -> None:
    """
    The burst at once, then the rate; the wait says when the next one comes.
    """
    rate, bucket = Rate(per_second=5, burst=2), None
    bucket, first, _ = take(bucket, 0, rate)
    bucket, second, _ = take(bucket, 0, rate)
    bucket, third, wait = take(bucket, 0, rate)
    assert (first, second, third, wait) == (True, True, False, 1)
    bucket, back_in_time, _ = take(bucket, -100, rate)
    assert not back_in_time
    _, later, _ = take(bucket, 0.21, rate)
    assert later


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 9), st.integers(1, 9))
def test_a_bucket_never_gives_more_than_rate_and_burst(
    times: list[float], per_second: int, burst: int
) -> None:
    """
    Over any time span: at most burst + rate x span, and at least the first.
    """
    times = sorted(times)
    bucket, given_out = None, 0
    for now in times:
        bucket, allowed, wait = take(bucket, now, Rate(per_second, burst))
        given_out += allowed
        assert allowed == (wait == 0)
    assert 1 <= given_out <= burst + per_second * (times[-1] - times[0]) + 1e-6


def test_many_buckets_stay_few() -> None:
    """
    A flood of addresses costs a fixed amount of memory, and the one in use is not the one forgotten.
    """
    buckets = Buckets(Rate(0.001, 1), buckets_max=100)
    for number in range(1000):
        buckets.take(str(number), 0)
        buckets.take("steady", 0)
    assert len(buckets) == 100
    assert buckets.take("steady", 0)[0] is False


def test_rate_limit_configuration() -> None:
    """
    Limit, period and burst; nonsense is refused with its path.
    """
    limit, problems = parse_rate_limit({"limit": 100, "period": "PT1M", "burst": 200})
    assert problems == []
    assert limit is not None
    assert rate_of(limit) == Rate(100 / 60, 200)
    wrong = parse_rate_limit({"limit": 0, "period": "PT0S", "burst": -1})[1]
    assert {problem.path for problem in wrong} == {"rateLimit.limit", "rateLimit.burst"}
    assert parse_rate_limit({"limit": 1, "period": "PT0S"})[1][0].path == "rateLimit.period"


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ([GOOD], True),
        ([GOOD.replace("00-", "cc-", 1) + "-more"], True),
        ([GOOD + "-more"], False),
        ([GOOD.replace("00-", "ff-", 1)], False),
        ([GOOD.upper()], False),
        (["00-" + "0" * 32 + "-b7ad6b7169203331-01"], False),
        ([GOOD.replace("b7ad6b7169203331", "0" * 16)], False),
        ([GOOD, GOOD], False),
        (["junk"], False),
        ([], False),
    ],
)
def test_traceparent(lines: list[str], found: bool) -> None:
    """
    A valid header is carried on; anything else is ignored as if it were absent.
    """
    trace = read_trace([("Traceparent", line) for line in lines])
    assert (trace is not None) == found
    if trace is not None:
        assert trace.header == GOOD


def test_tracestate() -> None:
    """
    Lines are joined; a malformed list is dropped and the parent kept.
    """
    state = [("traceparent", GOOD), ("tracestate", "a=1"), ("tracestate", " b=2 ,")]
    trace = read_trace(state)
    assert trace is not None
    assert trace.state == "a=1,b=2"
    dropped = read_trace([("traceparent", GOOD), ("tracestate", "a=1,a=2")])
    assert dropped is not None
    assert dropped.state == ""
