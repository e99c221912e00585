"""Large JSON is read in slices, and is the same value the parser of the standard library gives."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.runtime import json_slices
from hookledger.runtime.json_slices import CONTAINERS_MAX, DEPTH_MAX, SLICED_FROM, TooManyValues, loads

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=60
)


def outcome(read: Any, text: str) -> Any:
    """The value, or that there is none."""
    try:
        return repr(read(text))
    except ValueError:
        return "no JSON"


def whole(text: str) -> Any:
    """As the standard library reads it, NaN and the infinities apart."""
    return json.loads(text, parse_constant=json_slices._refuse)


def sliced(text: str) -> Any:
    """The same in slices, however short the text is."""
    return json_slices._Reader(text).document()


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_slices_give_the_same_value(value: Any, indent: int | None, ascii_only: bool) -> None:
    """
    Whatever the nesting, the spaces and the escapes: one reading and the other agree.
    """
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert outcome(sliced, text) == outcome(whole, text)


@given(VALUES, st.data())
def test_slices_refuse_the_same_texts(value: Any, data: st.DataObject) -> None:
    """
    A text with a mistake anywhere is no JSON to either.
    """
    text = json.dumps(value)
    place = data.draw(st.integers(0, len(text)))
    mistake = data.draw(
        st.sampled_from(["", ",", "[", "]", "{", "}", '"', ":", "1", "\\", " ", "NaN", "\x01", "\x0b", "/"])
    )
    wrong = text[:place] + mistake + text[place + data.draw(st.integers(0, 1)) :]
    assert outcome(sliced, wrong) == outcome(whole, wrong)


@pytest.mark.parametrize(
    "item", ["1", '"ab"', '{"a": [1, {"b": {}}]}', "[[[[[]]]]]", '{"long": "' + "x" * 70_000 + '"}']
)
def test_no_slice_is_large(monkeypatch: pytest.MonkeyPatch, item: str) -> None:
    """
    However large a text is, a single call of the parser gets 32 KiB, or one text, or less.
    """
    pieces: list[int] = []
    decoder = json_slices._DECODER

    class Counting:
        scan_once = staticmethod(decoder.scan_once)

        @staticmethod
        def decode(text: str) -> Any:
            pieces.append(len(text))
            return decoder.decode(text)

    monkeypatch.setattr(json_slices, "_DECODER", Counting)
    count = 2 * SLICED_FROM // len(item) + 2
    assert len(loads("[" + ",".join([item] * count) + "]")) == count
    assert max(pieces, default=0) <= 33 * 1024


def test_containers_are_bounded() -> None:
    """
    Arrays and objects cost many times the bytes they are written with; a text has at most a million.
    """
    assert len(loads("[" + ",".join(["[]"] * (CONTAINERS_MAX - 1)) + "]")) == CONTAINERS_MAX - 1
    with pytest.raises(TooManyValues):
        loads("[" + ",".join(["[]"] * CONTAINERS_MAX) + "]")


def test_depth_is_bounded() -> None:
    """
    A large text that nests deeply is refused as a short one is.
    """
    padding = '"' + "x" * SLICED_FROM + '"'
    assert loads("[" * (DEPTH_MAX - 1) + padding + "]" * (DEPTH_MAX - 1))
    for text in (padding, '"x"'):
        with pytest.raises(RecursionError):
            loads("[" * 200_000 + text + "]" * 200_000)
