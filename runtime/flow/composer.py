"""Builds data with positions from the events of the YAML parser.

Owns the rules that go beyond syntax: keys are text and stand once, tags are refused, aliases
and merge keys are copies whose total size is bounded. Faults that leave the rest readable are
collected; the others end the reading at once.

The pure Python parser is used on purpose. The optional C one accepts tabs in places and
reports other positions, and a source kept in a journal must read the same on every machine.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeAlias

from yaml import events
from yaml.error import Mark, YAMLError
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

from hookledger.runtime.flow import scalars
from hookledger.runtime.flow.problems import PROBLEMS_MAX, Path, Problem, ProblemsFound
from hookledger.runtime.flow.source_errors import QUOTE_EXPRESSION, explain

SOURCE_CHARS_MAX = 1024 * 1024
DEPTH_MAX = 100  # a task inside a task takes two levels
VALUES_MAX = 100_000  # with aliases expanded
CHARS_PER_VALUE = 64  # a long text counts as several values, so that copies of it are bounded too

COLLECTION_TAGS = frozenset({None, "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})

KEY_TAGS = frozenset({None, "tag:yaml.org,2002:str"})

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | scalars.Scalar"


class SourceInvalid(ProblemsFound):
    """A text that is not acceptable YAML."""


class Position(NamedTuple):
    """A place in a text, both counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Node:
    """A value, its place, and what it costs to copy it."""

    data: Plain
    at: Position
    key_at: Position | None = None
    children: dict[str | int, "Node"] = field(default_factory=dict[str | int, "Node"])
    values: int = 1  # in the whole subtree
    height: int = 0  # levels of collections below and including this one


class _Place(NamedTuple):
    """Where the composer is: in the text, and in the data."""

    at: Position
    path: Path
    key_at: Position | None = None
    is_key: bool = False


class _Events(Reader, Scanner, Parser):
    """The parser's three stages in one object, as the library wants them."""

    if TYPE_CHECKING:  # its stubs leave these two untyped

        def get_event(self) -> events.Event: ...
        def get_mark(self) -> Mark: ...

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)


class Composer:
    """Reads one text, once."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file = text, file
        self._problems: list[Problem] = []
        self._anchors: dict[str, Node | None] = {}  # None while the anchored value is still open
        self._values_left = VALUES_MAX
        self._events = self._all_events()

    def roots(self) -> list[Node]:
        """Return the root of each document."""
        if len(self._text) > SOURCE_CHARS_MAX:
            message = f"the text is longer than {SOURCE_CHARS_MAX} characters; split it"
            self._stop(message, _Place(Position(1, 1), ()))
        roots = [self._root() for event in self._events if isinstance(event, events.DocumentStartEvent)]
        if self._problems:
            raise SourceInvalid(self._problems)
        return roots

    def _all_events(self) -> Iterator[events.Event]:
        try:
            source = _Events(self._text)
            yield from self._drain(source)
        except YAMLError as error:
            raise SourceInvalid([*self._problems, explain(error, self._text, self._file)]) from error

    def _drain(self, source: _Events) -> Iterator[events.Event]:
        try:
            while not isinstance(event := source.get_event(), events.StreamEndEvent):
                yield event
        except (ValueError, OverflowError):  # the scanner trusts digits to be in range
            mark = source.get_mark()
            message = "an escape or a directive is out of range; correct it, or double the backslash"
            self._stop(message, _Place(Position(mark.line + 1, mark.column + 1), ()))

    def _root(self) -> Node:
        self._anchors.clear()  # an anchor is known in its own document only
        return self._node(next(self._events), ())

    def _node(self, event: events.Event, path: Path, key_at: Position | None = None) -> Node:
        place = _Place(_start(event), path, key_at)
        if isinstance(event, events.AliasEvent):
            return self._alias(event, place)
        if isinstance(event, events.ScalarEvent):
            return self._keep(event, self._scalar(event, place))
        assert isinstance(event, events.CollectionStartEvent)
        self._enter(event, place)
        build = self._mapping if isinstance(event, events.MappingStartEvent) else self._sequence
        return self._keep(event, build(place))

    def _enter(self, event: events.CollectionStartEvent, place: _Place) -> None:
        self._spend(1, place)
        self._limit_depth(len(place.path) + 1, place)
        if event.tag not in COLLECTION_TAGS:
            self._note(scalars.unknown_tag(str(event.tag)), place)
        if event.anchor:
            self._anchors[event.anchor] = None

    def _keep(self, event: events.NodeEvent, node: Node) -> Node:
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: events.AliasEvent, place: _Place) -> Node:
        """Return a copy of what the anchor names; only its own place is new."""
        name = str(event.anchor)
        if (target := self._anchors.get(name)) is None:
            wrong = "stands inside its own anchor" if name in self._anchors else "has no anchor above it"
            self._note(f"the alias `*{name}` {wrong}; remove it, or quote the text", place)
            return Node(None, place.at, place.key_at)
        self._spend(target.values, place)
        self._limit_depth(len(place.path) + target.height, place)
        return replace(target, data=_copy(target.data), at=place.at, key_at=place.key_at)

    def _scalar(self, event: events.ScalarEvent, place: _Place) -> Node:
        values = 1 + len(event.value) // CHARS_PER_VALUE
        self._spend(values, place)
        try:
            data = _key_text(event) if place.is_key else _value(event)
        except scalars.ScalarInvalid as invalid:
            self._note(str(invalid), place)
            data = None
        return Node(data, place.at, place.key_at, values=values)

    def _sequence(self, place: _Place) -> Node:
        children: dict[str | int, Node] = {}
        while not isinstance(event := next(self._events), events.SequenceEndEvent):
            index = len(children)
            children[index] = self._node(event, (*place.path, index))
        return _collection([child.data for child in children.values()], place, children)

    def _mapping(self, place: _Place) -> Node:
        own: dict[str | int, Node] = {}
        merged: Node | None = None
        while not isinstance(event := next(self._events), events.MappingEndEvent):
            name = self._key(event, place.path)
            child = self._node(next(self._events), (*place.path, name), _start(event))
            if _is_merge(event) and merged is None:
                merged = child
                continue
            self._refuse_twice(name, child, merged if _is_merge(event) else own.get(name), place.path)
            own[name] = child
        children = {**self._merged(merged, place.path), **own}
        return _collection({str(name): child.data for name, child in children.items()}, place, children)

    def _key(self, event: events.Event, path: Path) -> str:
        """Return the text of a key; complex keys are read past."""
        place = _Place(_start(event), path, is_key=True)
        if isinstance(event, events.ScalarEvent):
            return str(self._keep(event, self._scalar(event, place)).data)
        message = f"a key must be plain text, not a list, mapping or alias; {QUOTE_EXPRESSION}"
        self._note(message, place)
        self._node(event, path)
        return ""

    def _refuse_twice(self, name: str, child: Node, first: Node | None, path: Path) -> None:
        if first and first.key_at and child.key_at:
            lines = f"lines {first.key_at.line} and {child.key_at.line}"
            message = f"the key `{name[:60]}` stands twice, in {lines}; remove or rename one"
            self._note(message, _Place(child.key_at, (*path, name), is_key=True))

    def _merged(self, merged: Node | None, path: Path) -> dict[str | int, Node]:
        """Return what `<<` brings in; of several mappings the first one wins."""
        if merged is None:
            return {}
        sources = list(merged.children.values()) if isinstance(merged.data, list) else [merged]
        if not all(isinstance(source.data, dict) for source in sources):
            message = "`<<` takes a mapping or a list of mappings; correct it, or quote the key"
            self._note(message, _Place(merged.at, (*path, "<<")))
            return {}
        return {name: child for source in reversed(sources) for name, child in source.children.items()}

    def _spend(self, values: int, place: _Place) -> None:
        self._values_left -= values
        if self._values_left < 0:
            message = f"more than {VALUES_MAX} values with aliases expanded; use fewer values or aliases"
            self._stop(message, place)

    def _limit_depth(self, depth: int, place: _Place) -> None:
        if depth > DEPTH_MAX:
            self._stop(f"more than {DEPTH_MAX} levels of nesting; move parts to flows of their own", place)

    def _note(self, message: str, place: _Place) -> None:
        self._problems.append(self._problem(message, place))
        if len(self._problems) >= PROBLEMS_MAX:
            raise SourceInvalid(self._problems)

    def _stop(self, message: str, place: _Place) -> NoReturn:
        raise SourceInvalid([*self._problems, self._problem(message, place)])

    def _problem(self, message: str, place: _Place) -> Problem:
        return Problem(message, self._file, *place.at, place.path, place.is_key)


def _start(event: events.Event) -> Position:
    assert event.start_mark is not None
    return Position(event.start_mark.line + 1, event.start_mark.column + 1)


def _unquoted(event: events.ScalarEvent) -> bool:
    return not event.style


def _is_merge(event: events.Event) -> bool:
    return (
        isinstance(event, events.ScalarEvent) and event.value == "<<" and _unquoted(event) and not event.tag
    )


def _value(event: events.ScalarEvent) -> scalars.Scalar:
    if event.tag:
        return scalars.tagged(event.value, event.tag, unquoted=_unquoted(event))
    return scalars.plain(event.value) if _unquoted(event) else scalars.text(event.value)


def _key_text(event: events.ScalarEvent) -> str:
    """Return a key as it is written: `1`, `true` and `on` are names like any other."""
    if event.tag not in KEY_TAGS:
        raise scalars.ScalarInvalid(scalars.unknown_tag(str(event.tag)))
    if event.value == "" and _unquoted(event):
        raise scalars.ScalarInvalid("a key is missing before this `:`; add it")
    return scalars.text(event.value)


def _collection(data: Plain, place: _Place, children: dict[str | int, Node]) -> Node:
    below = children.values()
    values = 1 + sum(child.values for child in below)
    height = 1 + max((child.height for child in below), default=0)
    return Node(data, place.at, place.key_at, children, values, height)


def _copy(data: Plain) -> Plain:
    """Copy containers, so that no two places of a document share one."""
    if isinstance(data, dict):
        return {name: _copy(value) for name, value in data.items()}
    return [_copy(item) for item in data] if isinstance(data, list) else data
