"""A secret is found in what it becomes on its way into logs and outputs."""

import base64
import json
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest

from hookledger.runtime.expressions import render
from hookledger.runtime.masking import LINES_MAX, MASK, Masker

KEY = "-----BEGIN KEY-----\n" + "\n".join(
    base64.b64encode(bytes(range(n, n + 48))).decode() for n in range(20)
) + "\n-----END KEY-----\n"  # fmt: skip
SECRETS = {
    "a key": KEY,
    "with CR LF": KEY.replace("\n", "\r\n"),
    "with TAB": "first\tsecond\tthird",
    "with quotes": 'it\'s a "secret" \\ <&>',
    "with umlauts": "geheimnis-äöü-😀",
    "with control": "bell\x07and\x1bescape",
    "one line": "s3cr3t/value+1",
    "long": "x7" * 200,
}


def wrapped(text: str, width: int) -> str:
    """Base64 as commands print it, with the line break that `echo` adds to the secret."""
    return "\n".join(textwrap.wrap(base64.b64encode(text.encode() + b"\n").decode(), width))


WAYS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "JSON": json.dumps,
    "JSON without ASCII": lambda secret: json.dumps(secret, ensure_ascii=False),
    "JSON in JSON": lambda secret: json.dumps(json.dumps({"a": secret})),
    "toJson": lambda secret: render("{{ {'a': s} | toJson }}", {"s": secret}),
    "toJson twice": lambda secret: render("{{ {'a': s} | toJson | toJson }}", {"s": secret}),
    "yaml": lambda secret: render("{{ {'a': {'b': s}} | yaml }}", {"s": secret}),
    "base64 at 76": lambda secret: wrapped(secret, 76),
    "base64 at 64": lambda secret: wrapped(secret, 64),
    "base64 inside": lambda secret: base64.b64encode(b"user:" + secret.encode() + b"!").decode(),
    "URL": lambda secret: quote(secret),
}


def leaks(text: str, shown: str) -> list[str]:
    """The pieces of a text that are seen: eight characters, found every four."""
    return [text[at : at + 8] for at in range(0, len(text) - 8, 4) if text[at : at + 8] in shown]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_masked_however_it_is_written(name: str, way: str) -> None:
    """
    In JSON of either kind, JSON in JSON, YAML, URLs and wrapped base64, whole and line by line, nothing of it is seen.
    """
    masker = Masker()
    masker.learn([SECRETS[name]])
    text = WAYS[way](SECRETS[name])
    for shown in (masker.text(text), "\n".join(map(masker.text, text.splitlines()))):
        assert MASK in shown
        for line in filter(lambda one: len(one.strip()) >= 8, SECRETS[name].splitlines()):
            assert line.strip() not in shown
        encoded = base64.b64encode(SECRETS[name].encode()).decode()
        assert leaks(encoded[: len(encoded) // 4 * 3], shown) == []


def test_lines_of_secrets_are_masked_alone() -> None:
    """
    A command that prints a secret gives it line by line; lines under eight characters stay, for they are words.
    """
    masker = Masker()
    masker.learn(["first line of it\nshort\n  indented line  "])
    assert masker.text("said: first line of it.") == f"said: {MASK}."
    assert masker.text("indented line") == MASK
    assert masker.text("short") == "short"


def test_what_is_looked_for_is_bounded() -> None:
    """
    A secret of ten thousand lines does not make ten thousand searches of every text.
    """
    masker = Masker()
    masker.learn(["\n".join(f"line number {number}" for number in range(10_000))])
    assert len(masker._forms) < 20 * LINES_MAX
