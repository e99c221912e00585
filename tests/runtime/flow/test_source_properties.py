"""What holds for every text, not only for the ones we thought of."""

import json
import re
from contextlib import suppress

from hypothesis import example, given
from hypothesis import strategies as st

from hookledger.runtime.flow.problems import Path, Problem
from hookledger.runtime.flow.scalars import plain
from hookledger.runtime.flow.source import Plain, SourceInvalid, load, load_all, load_bytes

WORD = re.compile(r"[a-z][a-z0-9_]{0,12}")

texts = st.text(st.characters(exclude_characters="\x7f", exclude_categories=["Cs"]))
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
words = st.from_regex(WORD, fullmatch=True).filter(lambda word: plain(word) == word)
blocks = st.recursive(
    words,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=4) | st.dictionaries(words, inner, min_size=1, max_size=4)
    ),
)
SIGNS = "ab:[]{},|>'\"#1~é@ \t\n\r\x85\x00\ufeff"
STARTS = [
    "*a",
    "&a ",
    "- ",
    "? ",
    "<<: ",
    "!x ",
    "!<",
    "!!int ",
    "%f",
    "%YAML ",
    "%TAG ",
    "\n---\n",
    "\n...\n",
]
ESCAPES = ["\\u", "\\U", "\\ud83d"]
yaml_like = st.lists(st.sampled_from([*SIGNS, *STARTS, *ESCAPES]), max_size=40).map("".join)


def dump(value: Plain, indent: int = 0) -> str:
    """Write block style YAML of words only, the simplest way."""
    pad = " " * indent
    if isinstance(value, dict):
        return "".join(f"{pad}{key}:{_below(item, indent)}" for key, item in value.items())
    assert isinstance(value, list)
    return "".join(f"{pad}-{_below(item, indent)}" for item in value)


def _below(item: Plain, indent: int) -> str:
    return f"\n{dump(item, indent + 2)}" if isinstance(item, dict | list) else f" {item}\n"


def leaf_paths(value: Plain, path: Path = ()) -> list[tuple[Path, str]]:
    if isinstance(value, str):
        return [(path, value)]
    pairs = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value if isinstance(value, list) else []))
    )
    return [found for step, item in pairs for found in leaf_paths(item, (*path, step))]


@given(documents)
def test_json_loads_to_the_same_data(value: Plain) -> None:
    """Whatever JSON can say is read as JSON would read it."""
    text = json.dumps(value)
    if (
        len(max(re.findall(r'"[^"]*"', text), key=len, default="")) < 1000
    ):  # YAML's limit for a key on one line
        loaded = load(text).data
        assert loaded == value
        assert json.dumps(loaded) == text


@given(blocks)
def test_positions_point_at_the_text(value: Plain) -> None:
    """The text at a value's position begins with the value, and at its key's with the key."""
    text = dump(value) if isinstance(value, dict | list) else str(value)
    document = load(text)
    assert document.data == value
    lines = text.splitlines()
    for path, word in leaf_paths(value):
        line, column = document.position(path)
        assert lines[line - 1][column - 1 :] == word
        if path and isinstance(path[-1], str):
            line, column = document.key_position(path)
            assert lines[line - 1][column - 1 :].startswith(f"{path[-1]}: {word}")


def outcome(text: str) -> tuple[Problem, ...] | list[Plain]:
    try:
        return [document.data for document in load_all(text)]
    except SourceInvalid as invalid:
        return invalid.problems


@given(st.text() | yaml_like)
@example('"\\UFFFFFFFF"')
@example("%YAML 1." + "1" * 5000)
def test_no_text_raises_anything_else(text: str) -> None:
    """A text loads, or every problem has a place in it; and it does so each time."""
    found = outcome(text)
    assert found == outcome(text)
    if isinstance(found, tuple):
        assert found
        assert all(problem.line >= 1 and problem.column >= 1 for problem in found)


@given(st.binary())
def test_no_bytes_raise_anything_else(source: bytes) -> None:
    """Bytes load, or are refused as a source."""
    with suppress(SourceInvalid):
        load_bytes(source)
