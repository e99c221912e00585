"""What is wrong with something an author wrote, and where.

Owns the `Problem`, the error that carries several of them, and the did-you-mean helper.
Finding problems is left to the modules that know the rules.
"""

import difflib
from collections.abc import Iterable

import msgspec

from hookledger.journal.text import escaped

Path = tuple[str | int, ...]

PROBLEMS_MAX = 50  # enough to read; a hostile text must not buy an endless list
NAME_CHARS_MAX = 200  # a longer name is no slip of the pen, and comparing it is quadratic


class Problem(msgspec.Struct, frozen=True):
    """One fault in an author's text, with the place and the path of the property it belongs to."""

    message: str
    file: str = ""
    line: int = 0  # 1-based; 0 while the position is not known
    column: int = 0
    path: Path = ()
    on_key: bool = False  # the fault is the key's, not its value's

    @property
    def sentence(self) -> str:
        """The message behind the path of its property, as in `tasks[0].timeout: the unit is missing`."""
        return f"{path_text(self.path)}: {self.message}" if self.path else self.message

    def __str__(self) -> str:
        """One line that steers no terminal, whatever stands in the file."""
        whole = f"{self.file}:{self.line}:{self.column}: {self.sentence}" if self.line else self.sentence
        return escaped(whole)


class ProblemsFound(Exception):
    """Everything that is wrong with one text or one set of values, at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def path_text(path: Path) -> str:
    """Write a path the way authors do: `tasks[0].type`."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` was probably meant to be."""
    if len(name) > NAME_CHARS_MAX:
        return None
    by_folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), by_folded, n=1)
    return by_folded[found[0]] if found else None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say what to write instead of `name`: the nearest known name, or all of them."""
    names = sorted(known)
    if (meant := nearest(name, names)) is not None:
        return f"did you mean `{meant}`?"
    return f"known here: {', '.join(names)}" if names else "none is known here"
