"""YAML as the `yaml` filter writes it and the `yaml` function reads it.

Writing: quotes only where a reader would take the text for something else, a list's dashes one space in,
text of several lines as a block. Reading: only `true`, `false`, null and plain numbers are no text, so dates,
`yes` and `12:30` stay what they are.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import yaml

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import TreeWriter, scalar_text, string_of, text
from hookledger.runtime.expressions.values import Value, is_list, is_map

RESERVED: Final = frozenset(
    spelled
    for word in ("false", "n", "no", "null", "off", "on", "true", "y", "yes")
    for spelled in (word, word.capitalize(), word.upper())
) | {"", "~"}
QUOTABLE = re.compile(r"[\[\]{},]|[ \t]#|:[ \t]|:\Z")
NOT_PLAIN = re.compile(r"""[#&*!|>'"%@`]|[-?:](?:[ \t]|\Z)|---|\.\.\.|[ \t]|.*[ \t]\Z""", re.DOTALL)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff]")
SHORT_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\x00": "\\0"}


class YamlWriter(TreeWriter):
    """Writes a tree as YAML blocks."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.indent = 0

    def document(self, value: Value) -> str:
        """Write a whole document."""
        if (is_map(value) or is_list(value)) and value:
            self.block(value, 0)
        else:
            self.add(self.inline(value, 0) + "\n")
        return self.run.join(self.parts)

    def block(self, value: Value, indent: int) -> None:
        """Write a map or list that is not empty."""
        self.nested(lambda one: self.entries(one, indent), value)

    def entries(self, value: Value, indent: int) -> None:
        if is_map(value):
            for key, one in value.items():
                self.item(f"{' ' * indent}{self.key(key)}:", one, indent, dash=False)
        else:
            for one in value:
                self.item(f"{' ' * indent} -", one, indent, dash=True)

    def item(self, head: str, value: Value, indent: int, *, dash: bool) -> None:
        """Write one entry: on the same line if it is a single value, else below."""
        self.run.spend(1)
        if (is_map(value) or is_list(value)) and value:
            self.add(head + "\n")
            same = is_list(value) and not dash  # a list in a map does not go further in
            self.block(value, indent if same else indent + 2)
        else:
            self.add(f"{head} {self.inline(value, indent)}\n")

    def key(self, key: Value) -> str:
        name = string_of(self.run, key)
        return quoted(name) if "\n" in name else plain_or_quoted(name)

    def inline(self, value: Value, indent: int) -> str:
        """Write a value that has no entries."""
        if is_map(value):
            return "{}"
        if is_list(value):
            return "[]"
        if isinstance(value, str):
            return block_text(value, indent) if literal(value) else plain_or_quoted(value)
        return "null" if value is None else text(self.run, value)


def literal(value: str) -> bool:
    """Whether a text is written as a block of lines."""
    return "\n" in value and not CONTROL.search(value) and not value.startswith(" ") and bool(value.strip())


def block_text(value: str, indent: int) -> str:
    """A text of several lines; the mark says what follows its last line."""
    body = value.rstrip("\n")
    ends = len(value) - len(body)
    mark = "|-" if ends == 0 else "|" if ends == 1 else "|+"
    lines = (body if ends < 2 else value[:-1]).split("\n")
    margin = " " * (indent + 2)
    return mark + "".join("\n" + (margin + line if line else "") for line in lines)


def plain_or_quoted(value: str) -> str:
    """A text with as few quotes as it needs."""
    if value in RESERVED or QUOTABLE.search(value) or CONTROL.search(value) or "\n" in value:
        return quoted(value)
    return "'" + value.replace("'", "''") + "'" if NOT_PLAIN.match(value) else value


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
INTEGER = re.compile(r"[-+]?[0-9][0-9_]*")
DECIMAL = re.compile(r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?)")
WORDS: Final[Mapping[str, Value]] = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip
DIGITS_MAX: Final = 1000


def read_yaml(run: Run, source: str) -> Value:
    """Read the first document of a YAML text."""
    run.spend(1 + (len(source) >> 4))
    loader = LOADER(source)
    try:
        node = loader.get_node() if loader.check_node() else None
        return None if node is None else Reader(run).value(node)
    except (yaml.YAMLError, ValueError) as error:
        raise WrongValue(f"this is not YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError as error:
        raise LimitExceeded("YAML is nested too deep") from error
    finally:
        loader.dispose()


class Reader:
    """Turns YAML nodes into plain data; what an alias names is read once and shared."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.known: dict[int, Value] = {}

    def value(self, node: yaml.Node) -> Value:
        """The value of a node."""
        if id(node) not in self.known:
            self.run.spend(1)
            self.known[id(node)] = self.fresh(node)
        return self.known[id(node)]

    def fresh(self, node: yaml.Node) -> Value:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(one) for one in node.value]
        assert isinstance(node, yaml.ScalarNode)
        return node.value if node.style in tuple("'\"|>") else plain(node.value)

    def mapping(self, node: yaml.MappingNode) -> dict[str, Value]:
        """Keys are text, as in JSON; `<<` is an ordinary key."""
        return {
            key.value if isinstance(key, yaml.ScalarNode) else scalar_text(self.value(key)): self.value(one)
            for key, one in node.value
        }


def plain(word: str) -> Value:
    """What a word without quotes means."""
    if word in WORDS:
        return WORDS[word]
    for pattern, read in NUMBERS:
        if pattern.fullmatch(word) and len(word) <= DIGITS_MAX:
            return read(word.replace("_", ""))
    return word


NUMBERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], Value]], ...]] = (
    (INTEGER, int),
    (DECIMAL, float),
)
