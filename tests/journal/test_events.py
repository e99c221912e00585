"""Events: what is written is what is read, and what is not known is refused."""

from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.journal.events import AnyEvent, Event, decode_events, encode_events, type_name

KINDS = get_args(AnyEvent)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_scalars = st.none() | st.booleans() | _numbers | _texts
_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=5,
)
st.register_type_strategy(str, _texts)


def _fields(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    names = kind.__struct_fields__
    return st.builds(kind, **{name: _strategy(hints[name]) for name in names})


def _strategy(hint: Any) -> st.SearchStrategy[Any]:
    if hint is Any:
        return _values
    if _is_struct(hint):
        return _fields(hint)
    if hint is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    arguments = get_args(hint)
    if hint == dict[str, Any]:
        return st.dictionaries(_texts, _values, max_size=3)
    if hint == tuple[dict[str, Any], ...]:
        return st.lists(st.dictionaries(_texts, _values, max_size=2), max_size=2).map(tuple)
    if len(arguments) == 2 and arguments[1] is Ellipsis and _is_struct(arguments[0]):
        return st.lists(_fields(arguments[0]), max_size=2).map(tuple)
    if type(None) in arguments:
        return st.none() | _strategy(arguments[0])
    found: st.SearchStrategy[Any] = st.from_type(hint)
    return found


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_what_is_written_is_what_is_read(kind: type[Event], data: st.DataObject) -> None:
    """
    decode(encode(event)) == event, for every type and every value.
    """
    event: Any = data.draw(_fields(kind))
    assert decode_events(encode_events((event,))) == [event]
    assert type_name(event) == kind.__name__


@pytest.mark.parametrize(
    "payload",
    [
        b'[{"type":"NeverHeardOf","sequence":0,"at":0}]',
        b'[{"type":"JournalClosed","sequence":0,"at":0,"epoch":1,"extra":1}]',
        b'[{"type":"JournalClosed","sequence":0,"at":0}]',
        b'{"type":"JournalClosed","sequence":0,"at":0,"epoch":1}',
        b"not json",
    ],
)
def test_what_is_not_known_is_refused(payload: bytes) -> None:
    """
    An unknown type or field, a missing field or no JSON is an error, never a silent default.
    """
    with pytest.raises(msgspec.DecodeError):
        decode_events(payload)


def test_terminals_are_decisions() -> None:
    """
    No event is both an end and an observation.
    """
    assert not [kind for kind in KINDS if kind.terminal and kind.observation]
