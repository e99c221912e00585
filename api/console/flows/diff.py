"""The difference of two sources, line by line: unified, or side by side. Signs say it as well as colours."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

LINES_MAX: Final = 5000
"""Of both texts together: comparing takes quadratic time at worst."""
AROUND: Final = 3
"""Unchanged lines shown before and after a change."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the unified form. `sign` is `+`, `-`, a space, or `…` where unchanged lines are left out."""

    sign: str
    text: str
    old: int = 0
    """Its number in the old text; 0 when it is not there."""
    new: int = 0


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the form side by side; a side that has no such line is None."""

    old: Line | None = None
    new: Line | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken away and what came."""

    lines: tuple[Line, ...] = ()
    pairs: tuple[Pair, ...] = ()
    added: int = 0
    removed: int = 0
    too_long: bool = False


def difference(old: str, new: str) -> Difference:
    """Compare two texts; may take a second for long ones, so call it in a thread."""
    before, after = old.splitlines(), new.splitlines()
    if len(before) + len(after) > LINES_MAX:
        return Difference(too_long=True)
    pairs = tuple(_pairs(before, after))
    return Difference(
        lines=tuple(_unified(pairs)),
        pairs=pairs,
        added=sum(1 for pair in pairs if pair.new is not None and pair.new.sign == "+"),
        removed=sum(1 for pair in pairs if pair.old is not None and pair.old.sign == "-"),
    )


def _pairs(before: Sequence[str], after: Sequence[str]) -> Iterator[Pair]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    end = 0
    for group in matcher.get_grouped_opcodes(AROUND):
        if group[0][1] > end:
            yield _gap()
        for kind, old_from, old_to, new_from, new_to in group:
            same = kind == "equal"
            old = [
                _line(" " if same else "-", before, number, old=True) for number in range(old_from, old_to)
            ]
            new = [
                _line(" " if same else "+", after, number, old=False) for number in range(new_from, new_to)
            ]
            for place in range(max(len(old), len(new))):
                yield Pair(old=_at(old, place), new=_at(new, place))
            end = old_to
    if 0 < end < len(before):
        yield _gap()


def _gap() -> Pair:
    line = Line(sign="…", text="")
    return Pair(old=line, new=line)


def _line(sign: str, lines: Sequence[str], number: int, *, old: bool) -> Line:
    text = lines[number]
    return Line(sign=sign, text=text, old=number + 1 if old else 0, new=0 if old else number + 1)


def _at(lines: Sequence[Line], place: int) -> Line | None:
    return lines[place] if place < len(lines) else None


def _unified(pairs: Sequence[Pair]) -> Iterator[Line]:
    """What was taken away stands before what came in its place."""
    came: list[Line] = []
    for pair in pairs:
        changed = (pair.old is None or pair.old.sign == "-") and (pair.new is None or pair.new.sign == "+")
        if not changed:
            yield from came
            came.clear()
            assert pair.old is not None
            assert pair.new is not None
            yield msgspec.structs.replace(pair.old, new=pair.new.new)
            continue
        if pair.old is not None:
            yield pair.old
        if pair.new is not None:
            came.append(pair.new)
    yield from came
