"""Reads a flow's YAML into plain data, and remembers where everything stands.

Owns the entry points and the document they return. Which YAML is accepted is in `composer`,
what unquoted words mean is in `scalars`, and what the data has to look like is for the
flow's model to say.
"""

from dataclasses import dataclass, field

import msgspec

from hookledger.runtime.flow.composer import SOURCE_CHARS_MAX, Composer, Node, Plain, Position, SourceInvalid
from hookledger.runtime.flow.problems import Path, Problem
from hookledger.runtime.flow.source_errors import line_and_column

__all__ = [
    "SOURCE_CHARS_MAX",
    "Document",
    "Plain",
    "Position",
    "SourceInvalid",
    "load",
    "load_all",
    "load_bytes",
]


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: plain data, and the place of each value and key."""

    data: Plain
    file: str
    _root: Node = field(repr=False, compare=False)

    def position(self, path: Path = ()) -> Position:
        """Return where the value at `path` begins, or its nearest existing ancestor."""
        return self._walk(path)[-1].at

    def key_position(self, path: Path = ()) -> Position:
        """Return where the key of `path` begins; what has no key of its own stands where its value does."""
        node = self._walk(path)[-1]
        return node.key_at or node.at

    def locate(self, problem: Problem) -> Problem:
        """Give a problem that knows only its path the place it belongs to."""
        if problem.line:
            return problem
        place = self.key_position(problem.path) if problem.on_key else self.position(problem.path)
        return msgspec.structs.replace(problem, file=self.file, line=place.line, column=place.column)

    def _walk(self, path: Path) -> list[Node]:
        """Return the nodes from the root down `path`, as far as it exists."""
        nodes = [self._root]
        for step in path:
            if (child := nodes[-1].children.get(step)) is None:
                break
            nodes.append(child)
        return nodes


def load(text: str, *, file: str = "<text>") -> Document:
    """Read a text that holds one document; an empty text is a document without data.

    Raises:
        SourceInvalid: The text is not acceptable; its problems say what to do.
    """
    documents = load_all(text, file=file)
    if len(documents) > 1:
        line, column = documents[1].position()
        message = "a second document begins here; keep one document in a file"
        raise SourceInvalid([Problem(message, file, line, column)])
    return documents[0] if documents else Document(None, file, Node(None, Position(1, 1)))


def load_all(text: str, *, file: str = "<text>") -> tuple[Document, ...]:
    """Read a text that may hold several documents separated by `---`.

    Raises:
        SourceInvalid: The text is not acceptable; its problems say what to do.
    """
    roots = Composer(text.removeprefix("\ufeff"), file).roots()
    return tuple(Document(root.data, file, root) for root in roots)


def load_bytes(source: bytes, *, file: str = "<text>") -> Document:
    """Read one document from the bytes of a file, which must be UTF-8.

    Raises:
        SourceInvalid: As `load`, and where the bytes are not UTF-8.
    """
    try:
        return load(source.decode("utf-8-sig"), file=file)
    except UnicodeDecodeError as error:
        before = source[: error.start].decode("utf-8-sig")
        line, column = line_and_column(before, len(before))
        message = f"byte 0x{source[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise SourceInvalid([Problem(message, file, line, column)]) from error
