"""Bodies: media types, strict JSON, schemas, decompression and CloudEvents."""

import gzip
import json
import time
import zlib
from contextlib import suppress
from typing import Any

import pytest
from cloudevents.core.bindings.http import from_http_event
from hypothesis import given, settings
from hypothesis import strategies as st

from hookledger.runtime.triggers.webhook.admission.cloudevents import (
    CloudEvents,
    NotCloudEvents,
    read_cloudevents,
)
from hookledger.runtime.triggers.webhook.admission.inflate import InflateProblem, Inflater, coding_of
from hookledger.runtime.triggers.webhook.admission.media import check_accept, is_accepted
from hookledger.runtime.triggers.webhook.admission.schema import parse_schema
from hookledger.runtime.triggers.webhook.admission.settings import duration_seconds, size_bytes
from hookledger.runtime.triggers.webhook.admission.strict_json import JsonProblem, parse_strict


@pytest.mark.parametrize(
    ("content_type", "accept", "accepted"),
    [
        ("application/json; charset=utf-8", ["application/json"], True),
        ("APPLICATION/JSON", ["application/json"], True),
        ("text/xml", ["application/json"], False),
        ("text/xml", ["text/*"], True),
        ("application/cloudevents+json", ["application/*+json"], True),
        ("application/json", ["application/*+json"], False),
        ("image/png", ["*/*"], True),
        (None, ["*/*"], False),
        ("no type", ["*/*"], False),
        (None, [], True),
    ],
)
def test_media_types(content_type: str | None, accept: list[str], accepted: bool) -> None:
    """
    Parameters and case do not matter; ranges and suffixes work; without a type nothing on a list fits.
    """
    assert is_accepted(content_type, accept) == accepted


def test_accept_entries_are_checked() -> None:
    """
    What is no media type is reported with its index.
    """
    wrong = check_accept(["application/json", "json", "*/json", "text/*"])
    assert [problem.path for problem in wrong] == ["accept[1]", "accept[2]"]


@pytest.mark.parametrize(
    ("body", "code", "line", "column"),
    [
        (b'{"a":1,\n "a":2}', "duplicate-key", 2, 2),
        (b'{"a":{"b":1,"\\u0062":2}}', "duplicate-key", 1, 13),
        (b'[1,NaN]', "number", 1, 4),
        (b'[-Infinity]', "number", 1, 2),
        (b'[1e999]', "number", 1, 2),
        (b'{} x', "malformed", 1, 4),
        (b'{"a":}', "malformed", 1, 6),
        (b'', "malformed", 1, 1),
        (b'["\xff"]', "not-utf8", 1, 3),
        (b'["\\ud800"]', "lone-surrogate", 1, 2),
        (b'[' * 70, "too-deep", 1, 65),
        (b'[' + b'9' * 5000 + b']', "number", 1, 2),
        (b'"' + b'\\"' * 50_000, "malformed", 1, 1),
    ],
)  # fmt: skip
def test_strict_json_says_where(body: bytes, code: str, line: int, column: int) -> None:
    """
    Every tolerated oddity of ordinary parsers is refused with its place.
    """
    with pytest.raises(JsonProblem) as caught:
        parse_strict(body)
    found = caught.value
    assert (found.code, found.line, found.column) == (code, line, column)
    assert f"line {line}, column {column}" in str(found)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=9)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_strict_json_reads_what_json_writes(value: Any) -> None:
    """
    Every ordinary value passes unchanged.
    """
    assert parse_strict(json.dumps(value).encode()) == value


@settings(max_examples=200)
@given(st.binary(max_size=40) | st.text(alphabet='{}[]",:\\u0d8a1e9-', max_size=30).map(str.encode))
def test_strict_json_only_raises_its_own_error(body: bytes) -> None:
    """
    Any bytes give a value or a JsonProblem.
    """
    with suppress(JsonProblem):
        parse_strict(body)


SCHEMA = {
    "type": "object", "required": ["id"], "additionalProperties": False,
    "properties": {"id": {"type": "integer"}, "a/b": {"type": "array", "items": {"$ref": "#/$defs/s"}}},
    "$defs": {"s": {"type": "string", "maxLength": 3}},
}  # fmt: skip


def test_schema_problems_are_readable() -> None:
    """
    Each violation has a JSON Pointer, the keyword and a sentence.
    """
    schema, problems = parse_schema(SCHEMA)
    assert problems == []
    assert schema is not None
    assert schema.violations({"id": 1, "a/b": ["x"]}) == []
    found = schema.violations({"a/b": ["long!", 7], "c": 1})
    assert {(one.pointer, one.keyword) for one in found} == {
        ("", "required"), ("", "additionalProperties"), ("/a~1b/0", "maxLength"), ("/a~1b/1", "type"),
    }  # fmt: skip


def test_schema_work_is_bounded() -> None:
    """
    At most twenty problems, no body of endless values, no recursion without end.
    """
    schema, _ = parse_schema({"items": {"type": "string"}})
    assert schema is not None
    assert len(schema.violations([1] * 1000)) == 20
    assert schema.violations([1] * 200_000)[0].keyword == "limit"
    looping, _ = parse_schema({"$ref": "#"})
    assert looping is not None
    assert looping.violations({})[0].keyword == "limit"
    dangling, _ = parse_schema({"$ref": "#/nowhere"})
    assert dangling is not None
    assert dangling.violations({})[0].keyword == "$ref"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"type": "objekt"}, "schema.type"),
        ({"$ref": "https://example.com/s.json"}, "schema"),
        ([], "schema"),
    ],
)
def test_schema_configuration(raw: Any, path: str) -> None:
    """
    A schema that is none, or that points outside, is refused when the flow loads.
    """
    assert parse_schema(raw)[1][0].path == path


def inflate(coding: str, data: bytes, size: int, **limits: Any) -> bytes:
    """Decompress in chunks of a size."""
    machine = Inflater(coding, **{"bytes_max": 10**6, **limits})
    pieces = [piece for i in range(0, len(data), size) for piece in machine.feed(data[i : i + size])]
    return b"".join([*pieces, *machine.finish()])


@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=2000), size=st.integers(1, 500))
def test_inflating_is_the_inverse(body: bytes, size: int) -> None:
    """
    gzip (also of several members), zlib and raw deflate, however the bytes arrive.
    """
    raw = zlib.compressobj(wbits=-15)
    assert inflate("gzip", gzip.compress(body), size) == body
    assert inflate("gzip", gzip.compress(body) + gzip.compress(b"more", mtime=0), size) == body + b"more"
    assert inflate("deflate", zlib.compress(body), size) == body
    assert inflate("deflate", raw.compress(body) + raw.flush(), size) == body


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 196_608])
def test_output_of_whole_pieces_is_complete(size: int) -> None:
    """
    Output that fills the pieces exactly is neither cut nor taken for a cut body.
    """
    body = (b"abcdefgh" * size)[:size]
    raw = zlib.compressobj(9, wbits=-15)
    assert inflate("deflate", raw.compress(body) + raw.flush(), 7) == body
    assert inflate("gzip", gzip.compress(body), 10**6) == body
    assert inflate("deflate", zlib.compress(bytes(size)), 10**6) == bytes(size)


def test_a_bomb_ends_early() -> None:
    """
    A gigabyte of zeros stops at the limit after a few pieces, whichever limit it meets first.
    """
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(2**20)
    bomb = b"".join(packer.compress(block) for _ in range(64)) + packer.flush()
    begun = time.process_time()
    for limits in ({"bytes_max": 10**6}, {"bytes_max": 10**9}):
        with pytest.raises(InflateProblem) as caught:
            inflate("gzip", bomb, 65_536, **limits)
        assert caught.value.code == "too-large"
    assert time.process_time() - begun < 2


@pytest.mark.parametrize(
    ("coding", "data"),
    [("gzip", b"junk"), ("gzip", gzip.compress(b"x", mtime=0)[:-1]), ("deflate", zlib.compress(b"x") + b"y")],
)
def test_broken_compression_is_malformed(coding: str, data: bytes) -> None:
    """
    Junk, a cut end and data after the end are refused.
    """
    with pytest.raises(InflateProblem) as caught:
        inflate(coding, data, 3)
    assert caught.value.code == "malformed"


def test_codings() -> None:
    """
    gzip and deflate, nothing else and nothing stacked.
    """
    assert [coding_of(one) for one in (None, "", "identity", "GZIP", "x-gzip", "deflate")] == [
        None, None, None, "gzip", "gzip", "deflate",
    ]  # fmt: skip
    for one in ("br", "gzip, gzip"):
        with pytest.raises(InflateProblem):
            coding_of(one)


EVENT: dict[str, Any] = {
    "id": "1", "source": "/s ä", "type": "t", "specversion": "1.0", "subject": "x",
    "datacontenttype": "application/json", "tenant": "acme", "data": {"a": [1, None]},
}  # fmt: skip
BINARY = [
    ("ce-id", "1"), ("Ce-Source", "/s%20%C3%A4"), ("ce-type", "t"), ("ce-specversion", "1.0"),
    ("ce-subject", "x"), ("ce-tenant", "acme"), ("Content-Type", "application/json"),
]  # fmt: skip
STRUCTURED = [("Content-Type", "application/cloudevents+json; charset=utf-8")]
BATCH = [("Content-Type", "application/cloudevents-batch+json")]


def test_all_modes_give_the_same_event() -> None:
    """
    Structured, binary and batch: equal values, extensions kept, no time invented.
    """
    body = json.dumps(EVENT["data"]).encode()
    one = read_cloudevents(STRUCTURED, json.dumps(EVENT).encode())
    two = read_cloudevents(BINARY, body)
    many = read_cloudevents(BATCH, json.dumps([EVENT, EVENT]).encode())
    assert isinstance(one, CloudEvents)
    assert isinstance(two, CloudEvents)
    assert isinstance(many, CloudEvents)
    assert one.events == two.events
    assert many.events == (one.events[0],) * 2
    assert one.events[0].plain() == EVENT
    assert one.events[0].dedup_key == "/s ä\n1"


def test_the_official_library_reads_the_same() -> None:
    """
    cloudevents agrees on every attribute of a binary event (it invents a time when there is none).
    """
    from cloudevents.core.bindings.http import HTTPMessage

    headers = {**dict(BINARY), "ce-time": "2024-01-02T03:04:05Z", "ce-source": "/s"}
    body = b'{"a": 1}'
    theirs: Any = from_http_event(HTTPMessage(headers, body))
    ours = read_cloudevents(list({k.lower(): v for k, v in headers.items()}.items()), body)
    assert isinstance(ours, CloudEvents)
    event = ours.events[0]
    assert (theirs.get_id(), theirs.get_source(), theirs.get_type()) == (event.id, event.source, event.type)
    assert theirs.get_data() == event.data


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (STRUCTURED, {name: value for name, value in EVENT.items() if name != "source"}),
        (STRUCTURED, {**EVENT, "specversion": "0.3"}),
        (STRUCTURED, {**EVENT, "time": "yesterday"}),
        (STRUCTURED, {**EVENT, "data_base64": "AA=="}),
        (STRUCTURED, {**EVENT, "data": None, "data_base64": "!"}),
        (STRUCTURED, {**EVENT, "Bad-Name": "x"}),
        (STRUCTURED, []),
        (BATCH, EVENT),
        (BINARY[:1] + BINARY[3:], {}),
        ([*BINARY, ("CE-ID", "2")], {}),
    ],
)
def test_what_only_claims_to_be_an_event(headers: list[tuple[str, str]], body: Any) -> None:
    """
    Required attributes, one value each, known version: otherwise a 400 with the reason.
    """
    assert isinstance(read_cloudevents(headers, json.dumps(body).encode()), NotCloudEvents)


@given(
    st.sampled_from([STRUCTURED, BATCH, BINARY, []]), st.binary(max_size=30),
    st.lists(st.tuples(st.sampled_from(["ce-id", "ce-x", "content-type"]), st.text(max_size=9))),
)  # fmt: skip
def test_cloudevents_never_raise(headers: Any, body: bytes, more: list[tuple[str, str]]) -> None:
    """
    Any headers and body end in events, a problem or nothing.
    """
    read_cloudevents([*headers, *more], body)


def test_durations_and_sizes() -> None:
    """
    ISO-8601 durations and binary or decimal sizes; anything else says what to write.
    """
    assert duration_seconds("P1DT2H3M4.5S") == 93_784.5
    assert duration_seconds("PT876000H") == 3_153_600_000
    assert size_bytes("16MiB") == 2**24
    assert size_bytes(7) == 7
    for wrong in ("5m", "P", "PT", "P1M", "PT1H "):
        with pytest.raises(ValueError, match="PT5M"):
            duration_seconds(wrong)
    with pytest.raises(ValueError, match="1MiB"):
        size_bytes("lots")
