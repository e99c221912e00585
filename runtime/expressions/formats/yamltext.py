"""YAML as the `yaml` filter writes it and the `yaml` function reads it.

Writing: quotes only where a reader would take the text for something else, a list's dashes one space in,
text of several lines as a block. Reading: words and numbers are those of YAML 1.1 (`yes`, `off`, `0x1F`, `010`), as
the original reads data; dates and `12:30` stay text.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import TreeWriter, string_of, text
from hookledger.runtime.expressions.values import MapEntry, Value, entries, is_list, is_map, made

RESERVED: Final = frozenset(
    spelled
    for word in ("false", "n", "no", "null", "off", "on", "true", "y", "yes")
    for spelled in (word, word.capitalize(), word.upper())
) | {"", "~"}
QUOTABLE = re.compile(r"[\[\]{},\t]|(?:\A|[ \t])#|:[ \t]|:\Z")
ZERO_FIRST = re.compile(r"0[0-9_]+")  # read again it would be a number
NUMBER_LIKE = re.compile(r"[-+.0-9]")
NOT_PLAIN_KEY = re.compile(r""".*(?:[ \t]#|:[ \t]|:\Z)|[\[\]{},]""", re.DOTALL)
KEY_CHARS_MAX = 127  # longer ones are written behind a question mark
NOT_PLAIN = re.compile(r"""[#&*!|>'"%@`]|[-?:](?:[ \t]|\Z)|---|\.\.\.|[ \t]|.*[ \t]\Z""", re.DOTALL)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff]")
SHORT_ESCAPES: Final = {
    "\\": "\\\\",
    '"': '\\"',
    "\n": "\\n",
    "\t": "\\t",
    "\r": "\\r",
    "\x00": "\\0",
    "\x07": "\\a",
    "\x08": "\\b",
    "\x0b": "\\v",
    "\x0c": "\\f",
    "\x1b": "\\e",
}


class YamlWriter(TreeWriter):
    """Writes a tree as YAML blocks."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.indent = 0

    def document(self, value: Value) -> str:
        """Write a whole document."""
        value = existing(value)
        if (is_map(value) or is_list(value)) and value:
            self.block(value, 0)
        else:
            self.add(("--- " if value == "" else "") + self.inline(value, 0) + "\n")
        return self.run.join(self.parts)

    def block(self, value: Value, indent: int) -> None:
        """Write a map or list that is not empty."""
        self.nested(lambda one: self.entries(one, indent), value)

    def entries(self, value: Value, indent: int) -> None:
        if is_map(value):
            for key, one in value.items():
                self.item(" " * indent + self.key(key, indent), one, indent, dash=False)
        else:
            for one in value:
                self.item(f"{' ' * indent} -", one, indent, dash=True)

    def item(self, head: str, value: Value, indent: int, *, dash: bool) -> None:
        """Write one entry: on the same line if it is a single value, else below."""
        self.run.spend(1)
        value = existing(value)
        if (is_map(value) or is_list(value)) and value:
            self.add(head + "\n")
            same = is_list(value) and not dash  # a list in a map does not go further in
            self.block(value, indent if same else indent + 2)
        else:
            self.add(f"{head} {self.inline(value, indent)}\n")

    def key(self, key: Value, indent: int) -> str:
        """A key with its colon; one that is no simple text stands alone behind a question mark."""
        name = string_of(self.run, key)
        if not name or "\n" in name or len(name) > KEY_CHARS_MAX:
            return f"? {quoted(name) if not name or chr(10) in name else plain_key(name)}\n{' ' * indent}:"
        return plain_key(name) + ":"

    def inline(self, value: Value, indent: int) -> str:
        """Write a value that has no entries."""
        if is_map(value):
            return "{}"
        if is_list(value):
            return "[]"
        if isinstance(value, str):
            self.run.letters(value)
            return block_text(value, indent) if literal(value) else plain_or_quoted(value)
        return "null" if value is None else text(self.run, value)


def existing(value: Value) -> Value:
    """A map without what does not exist in it; an entry of a map as the map of that entry."""
    value = value.as_map() if isinstance(value, MapEntry) else value
    return entries(value) if is_map(value) else value


def literal(value: str) -> bool:
    """Whether a text is written as a block of lines."""
    return "\n" in value and " \n" not in value and "\t" not in value and not CONTROL.search(value)


def block_text(value: str, indent: int) -> str:
    """A text of several lines; the mark says what follows its last line."""
    body = value.rstrip("\n")
    ends = len(value) - len(body)
    mark = "|2" if value[0] in " \n" else "|"  # a reader could not tell the indentation by itself
    mark += "-" if ends == 0 else "" if ends == 1 and body else "+"
    lines = (value[:-1] if mark.endswith("+") else body).split("\n")
    margin = " " * (indent + 2)
    return mark + "".join("\n" + (margin + line if line else "") for line in lines)


def plain_or_quoted(value: str) -> str:
    """A text with as few quotes as it needs."""
    if value in RESERVED or QUOTABLE.search(value) or CONTROL.search(value) or "\n" in value:
        return quoted(value)
    return in_single_quotes(value) if NOT_PLAIN.match(value) or ZERO_FIRST.fullmatch(value) else value


def in_single_quotes(value: str) -> str:
    """A text in single quotes."""
    return "'" + value.replace("'", "''") + "'"


def plain_key(name: str) -> str:
    """A key with as few quotes as it needs: what looks like a number or a word of YAML gets double ones."""
    if NUMBER_LIKE.match(name) or name in RESERVED or CONTROL.search(name) or "\t" in name:
        return quoted(name)
    return in_single_quotes(name) if NOT_PLAIN.match(name) or NOT_PLAIN_KEY.match(name) else name


def quoted(value: str) -> str:
    """A text in double quotes."""
    return '"' + "".join(escaped(mark) for mark in value) + '"'


def escaped(mark: str) -> str:
    if mark in SHORT_ESCAPES:
        return SHORT_ESCAPES[mark]
    return f"\\x{ord(mark):02x}" if ord(mark) < 32 else mark


def write_yaml(run: Run, value: Value) -> str:
    """Write a value as YAML."""
    return YamlWriter(run).document(value)


LOADER: Final[type[Any]] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
HEX = re.compile(r"[-+]?0x_*[0-9a-fA-F][0-9a-fA-F_]*")
BINARY = re.compile(r"[-+]?0b_*[01][01_]*")
OCTAL = re.compile(r"[-+]?0[0-7_]+")
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
DECIMAL = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+|\.[0-9_]+(?:[eE][-+]?[0-9]+)?)"
)
WORDS: Final[Mapping[str, Value]] = {
    spelled: value
    for words, value in (("true yes on", True), ("false no off", False), ("null", None))
    for word in words.split()
    for spelled in (word, word.capitalize(), word.upper())
} | {"~": None, "": None}
DIGITS_MAX: Final = 1000


def read_yaml(run: Run, source: str) -> Value:
    """Read the first document of a YAML text."""
    run.spend(1 + (len(source) >> 4))
    loader = LOADER(source)
    try:
        return Reader(run, loader).document()
    except (yaml.YAMLError, ValueError) as error:
        if "maximum nesting depth" in str(error):  # libyaml counts itself since 0.2.6
            raise LimitExceeded("YAML is nested too deep") from error
        raise WrongValue(f"this is not YAML: {' '.join(str(error).split())[:200]}") from error
    finally:
        loader.dispose()


class Reader:
    """Builds plain data from YAML events, not from nodes: libyaml makes nodes by unbounded recursion.

    What an alias names is read once and shared; writers count, so shared parts cannot explode.
    """

    def __init__(self, run: Run, loader: Any) -> None:
        self.run, self.loader = run, loader
        self.known: dict[str, Value] = {}
        self.depth = 0

    def document(self) -> Value:
        """The first document, null if there is none."""
        while True:
            event = self.loader.get_event()
            if isinstance(event, yaml.StreamEndEvent):
                return None
            if isinstance(event, yaml.NodeEvent):
                return self.value(event)

    def value(self, event: Any) -> Value:
        """The value that begins with an event."""
        self.run.spend(1)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor))
        self.depth += 1
        if self.depth > self.run.limits.depth_max:
            raise LimitExceeded("YAML is nested too deep")
        found = self.fresh(event)
        self.depth -= 1
        if event.anchor is not None:
            self.known[event.anchor] = found
        return found

    def alias(self, name: str) -> Value:
        if name not in self.known:
            raise WrongValue(f"this is not YAML: nothing is called `{name[:60]}` before it is used")
        return self.known[name]

    def fresh(self, event: Any) -> Value:
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence()
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping()
        if event.implicit[0]:
            return plain(event.value)
        return TAGGED[event.tag](event.value) if event.tag in TAGGED else event.value

    def sequence(self) -> list[Value]:
        found: list[Value] = []
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            found.append(self.value(event))
        return found

    def mapping(self) -> dict[str, Value]:
        """Keys are text, as in JSON; `<<` is an ordinary key."""
        found: dict[str, Value] = {}
        while not isinstance(event := self.loader.get_event(), yaml.MappingEndEvent):
            key = (
                event.value if isinstance(event, yaml.ScalarEvent) else string_of(self.run, self.value(event))
            )
            found[key] = self.value(self.loader.get_event())
        return made(found)


def plain(word: str) -> Value:
    """What a word without quotes means."""
    if word in WORDS:
        return WORDS[word]
    for pattern, read in NUMBERS:
        if pattern.fullmatch(word) and len(word) <= DIGITS_MAX:
            return read(word.replace("_", ""))
    return word


NUMBERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], Value]], ...]] = (
    (HEX, lambda digits: int(digits, 16)),
    (BINARY, lambda digits: int(digits, 2)),
    (OCTAL, lambda digits: int(digits, 8)),
    (INTEGER, int),
    (DECIMAL, float),
)


def as_double(word: str) -> Value:
    """A number as `!!float` reads it; what is none stays text."""
    value = plain(word)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


TAGGED: Final[Mapping[str, Callable[[str], Value]]] = {
    "tag:yaml.org,2002:int": plain,
    "tag:yaml.org,2002:bool": plain,
    "tag:yaml.org,2002:float": as_double,
}
"""What a tag makes of a word, also of one in quotes."""
