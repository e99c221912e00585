"""Turns what the YAML parser reports into a problem that says what to do.

The parser speaks of tokens and blocks. An author needs the place and the next step, so
known reports are matched by a fragment of their text; an unknown one is passed on as it is.
"""

import re

from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from hookledger.runtime.flow.problems import Problem

TAB = (
    "a tab stands here, and YAML indents and separates with spaces only; "
    "replace the tab by spaces, or quote the text it belongs to"
)
QUOTE_EXPRESSION = 'an expression needs quotes: "{{ ... }}"'

# A fragment of the parser's report, and what to tell the author.
ADVICE = (
    (
        "mapping values are not allowed",
        "a `:` is not possible here; quote the text, or check the indentation",
    ),
    ("could not find expected ':'", "a key must be followed by `:`; add it, or check the indentation"),
    ("end of stream", "these quotes are never closed; add the closing quote"),
    ("document separator", "these quotes are still open at a `---` or `...` line; close them before it"),
    ("expected <block end>", "this does not fit the lines above it; check indentation and quotes"),
    ("expected ',' or ']'", "a `[` is not closed; add `]`, or a comma between the items"),
    ("expected ',' or '}'", "a `{` is not closed; add `}`, or a comma between the entries"),
    (
        "sequence entries are not allowed",
        "a `- ` item is not possible here; put it on its own, indented line",
    ),
    ("cannot start any token", "plain text cannot begin with this character; put the text in quotes"),
    ("unknown escape character", "this escape is not known in \"...\"; double the backslash, or use '...'"),
    ("hexadecimal", "a \\x, \\u or \\U escape needs 2, 4 or 8 hexadecimal digits"),
    ("expected the node content", "a key or a value is missing here; add it, or quote the text"),
    ("undefined tag handle", "tags are not supported; remove the tag"),
    ("expected <document start>", "the document ended above; remove what follows, or separate it by `---`"),
    ("incompatible YAML", "only YAML 1.x is read; remove the %YAML line"),
)

LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # what the parser counts as one
BARE_EXPRESSION = re.compile(r"""(?:^|[:\-\[,{])\s*\{\{""")


def explain(error: YAMLError, text: str, file: str) -> Problem:
    """Translate a parser's error about `text`."""
    if isinstance(error, ReaderError):
        return unreadable(error, text, file)
    if not isinstance(error, MarkedYAMLError) or (mark := _mark(error)) is None:
        return Problem(f"not readable as YAML: {error}", file, 1, 1)
    if text[mark.index : mark.index + 1] == "\t":
        return Problem(TAB, file, mark.line + 1, mark.column + 1)
    message = advise(error) + _opened(error) + _expression_hint(text, mark.line)
    return Problem(message, file, mark.line + 1, mark.column + 1)


def unreadable(error: ReaderError, text: str, file: str) -> Problem:
    """Name a character that YAML does not allow, such as a control character."""
    line, column = line_and_column(text, int(error.position))
    found = f"U+{ord(text[int(error.position)]):04X}"
    return Problem(
        f"the character {found} is not allowed; remove it, or escape it in quotes", file, line, column
    )


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Return the 1-based line and column of a character."""
    breaks = list(LINE_BREAK.finditer(text, 0, index))
    start = breaks[-1].end() if breaks else 0
    return len(breaks) + 1, index - start + 1


def advise(error: MarkedYAMLError) -> str:
    reported = error.problem or error.context or "unknown fault"
    return next((advice for part, advice in ADVICE if part in reported), f"not readable as YAML: {reported}")


def _mark(error: MarkedYAMLError) -> Mark | None:
    """Return the best place to look at: for open quotes it is where they open."""
    open_quotes = "quoted scalar" in (error.context or "") and "unexpected" in (error.problem or "")
    return error.context_mark if open_quotes else error.problem_mark or error.context_mark


def _opened(error: MarkedYAMLError) -> str:
    """Say where the block or the quotes began, if that was another line."""
    begin, end = error.context_mark, error.problem_mark
    if begin is None or end is None or begin.line == end.line or _mark(error) is begin:
        return ""
    return f" (it began in line {begin.line + 1})"


def _expression_hint(text: str, line: int) -> str:
    lines = LINE_BREAK.split(text)
    bare = line < len(lines) and BARE_EXPRESSION.search(lines[line])
    return f"; {QUOTE_EXPRESSION}" if bare else ""
