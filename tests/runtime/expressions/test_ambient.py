"""Values from outside are drawn once, written down, and given again on replay."""

import json
import random
from datetime import UTC, datetime

import pytest

from hookledger.runtime.expressions import (
    Ambient,
    AmbientUnavailable,
    ExpressionError,
    Ports,
    WrongValue,
    render,
)
from hookledger.runtime.expressions.library import FUNCTIONS

SECRETS = {"TOKEN": "tok-123", "DB": '{"password": "pw-456"}'}


def secret(name: str, _namespace: str | None) -> str:
    """A store of secrets."""
    return SECRETS[name]


def live(seed: int = 1) -> Ambient:
    """An Ambient with every port."""
    return Ambient(
        Ports(
            clock=lambda: datetime(2031, 7, 4, 9, 5, 3, tzinfo=UTC),
            random=random.Random(seed),
            secret=secret,
            kv=lambda key, _namespace: {"limit": 5}[key],
            others={
                "http": lambda *arguments: {"echo": arguments[5]},
                "read": lambda *_arguments: "content",
                "errorLogs": list,
                "env": lambda *_arguments: object(),
                "fileSize": lambda *_arguments: 1 // 0,
            },
        )
    )


EVERYTHING = (
    "{{ now() }} {{ uuid() }} {{ id() }} {{ ksuid() }} {{ nanoId(5) }} {{ randomInt(1, 1000) }} {{ randomPort() }} "
    "{{ kv('limit') }} {{ kv('none', errorOnMissing=false) }} {{ read('a') }} {{ errorLogs() }} {{ secret('TOKEN') }} "
    "{{ secret('DB', subkey='password') }} "
    "{{ encrypt('MDEyMzQ1Njc4OWFiY2RlZg==', 'hi') }} {{ http('u', headers={'k': secret('TOKEN')}).echo.k }}"
)


def test_a_replay_gives_the_same_text() -> None:
    """
    The record, sent through JSON as in a journal, gives the same text and asks no port but that of secrets.
    """
    ambient = live()
    text = render(EVERYTHING, {}, ambient)
    record = json.loads(json.dumps(ambient.drawn))
    again = Ambient.replay(record, secret=secret)
    assert render(EVERYTHING, {}, again) == text
    assert again.is_exhausted
    assert again.drawn == record


def test_the_record_is_in_the_order_of_drawing() -> None:
    """
    One record per value, with the function's name, its arguments and the value.
    """
    ambient = live()
    text = render("{{ now('iso_sec', 'UTC') }}/{{ randomInt(1, 9) }}", {}, ambient)
    first, second = ambient.drawn
    assert first == {"name": "now", "args": ["iso_sec", "UTC", None, None], "value": "2031-07-04T09:05:03Z"}
    assert second["name"] == "randomInt"
    assert text == f"{first['value']}/{second['value']}"


def test_a_secret_is_never_in_the_record() -> None:
    """
    Of a secret the name is written down; where its value turns up elsewhere the name stands in its place.
    """
    ambient = live()
    text = render(EVERYTHING, {}, ambient)
    assert "tok-123" in text
    assert "pw-456" in text
    record = json.dumps(ambient.drawn)
    assert "tok-123" not in record
    assert "pw-456" not in record
    assert {"name": "secret", "args": ["TOKEN"]} in ambient.drawn
    assert ambient.secrets == {"tok-123", "pw-456", SECRETS["DB"]}


@pytest.mark.parametrize(
    "template",
    [
        "{{ secret('TOKEN') | number }}",
        "{{ secret('TOKEN') | date }}",
        "{% set t = secret('TOKEN') %}{{ flow[t] }}",
        "{{ secret('TOKEN') | regexMatch('(' ~ secret('TOKEN')) }}",
        "{{ kv(secret('TOKEN')) }}",
    ],
)
def test_a_secret_is_never_in_an_error(template: str) -> None:
    """
    Messages that would quote the value of a secret show stars, and carry no cause that would.
    """
    with pytest.raises(ExpressionError) as caught:
        render(template, {"flow": {}}, live())
    assert "tok-123" not in str(caught.value)
    assert "***" in str(caught.value) or "tok" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "template",
    ["{{ uuid() }}{{ now() }}", "{{ now('sql') }}", "{{ now() }}{{ now() }}", "{{ secret('TOKEN') }}"],
)
def test_a_replay_of_something_else_is_noticed(template: str) -> None:
    """
    Another function, other arguments or more calls than were recorded are an error, not another value.
    """
    ambient = live()
    render("{{ now() }}", {}, ambient)
    with pytest.raises(AmbientUnavailable):
        render(template, {}, Ambient.replay(ambient.drawn, secret=secret))


@pytest.mark.parametrize("name", sorted(name for name, entry in FUNCTIONS.items() if entry.ambient))
def test_without_an_ambient_there_is_a_clear_error(name: str) -> None:
    """
    A function that draws from outside fails with E006 when there is no outside.
    """
    arguments = {
        "encrypt": "'MDEyMzQ1Njc4OWFiY2RlZg==', 'x'",
        "randomInt": "1, 2",
        "subflow": "'a', 'b'",
        **dict.fromkeys(
            ("secret", "kv", "read", "fileURI", "fileSize", "fileExists", "isFileEmpty", "env", "http"), "'a'"
        ),
    }
    for ambient in (None, Ambient()):
        with pytest.raises(AmbientUnavailable, match="E006"):
            render(f"{{{{ {name}({arguments.get(name, '')}) }}}}", {}, ambient)


@pytest.mark.parametrize(
    ("template", "error"),
    [
        ("{{ secret('NONE') }}", AmbientUnavailable),
        ("{{ secret('DB', subkey='none') }}", AmbientUnavailable),
        ("{{ kv('none') }}", AmbientUnavailable),
        ("{{ kv('none') ?? 'd' }}", AmbientUnavailable),
        ("{{ env('X') }}", AmbientUnavailable),
        ("{{ fileSize('X') }}", AmbientUnavailable),
        ("{{ randomInt(5, 1) }}", WrongValue),
        ("{{ randomInt('a', 1) }}", WrongValue),
        ("{{ nanoId(0) }}", WrongValue),
        ("{{ nanoId(3, '') }}", WrongValue),
        ("{{ now('bbb') }}", WrongValue),
        ("{{ encrypt('short', 'x') }}", WrongValue),
        ("{{ decrypt('MDEyMzQ1Njc4OWFiY2RlZg==', 'bm90IGVuY3J5cHRlZCBhdCBhbGw=') }}", WrongValue),
    ],
)
def test_what_cannot_be_drawn_is_an_error(template: str, error: type[ExpressionError]) -> None:
    """
    A missing secret or key, a port that fails and unfit arguments end in our own errors; nothing is written down.
    """
    ambient = live()
    with pytest.raises(error):
        render(template, {}, ambient)
    assert [one["name"] for one in ambient.drawn if one["name"] != "secret"] == []


def test_a_random_number_is_below_the_upper_bound() -> None:
    """
    The lower bound may come, the upper never does; equal bounds give the bound.
    """
    ambient = live()
    drawn = {render("{{ randomInt(3, 5) }}", {}, ambient) for _ in range(50)}
    assert drawn == {"3", "4"}
    assert render("{{ randomInt(3, 3) }}", {}, ambient) == "3"


def test_ids_have_their_shape() -> None:
    """
    UUIDs are version 4, KSUIDs 27 characters, nano ids as long as asked and of the alphabet.
    """
    ambient = live()
    assert (
        render("{{ uuid() | regexMatch('^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]') }}", {}, ambient)
        == "true"
    )
    assert len(render("{{ ksuid() }}", {}, ambient)) == 27
    assert len(render("{{ nanoId() }}", {}, ambient)) == 21
    assert set(render("{{ nanoId(100, 'ab') }}", {}, ambient)) == {"a", "b"}
