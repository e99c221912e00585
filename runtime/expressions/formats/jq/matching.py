"""jq's regular-expression functions that give several outputs, or take a replacement."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from hookledger.runtime.expressions.formats.jq.core import Env, Filter, Outputs, Path, fail, untracked, values
from hookledger.runtime.expressions.formats.jq.strings import (
    captured,
    described,
    match_list,
    need_text,
    scanned,
    split_by_pattern,
)
from hookledger.runtime.expressions.values import Value

if TYPE_CHECKING:
    import regex


def several(shape: "Callable[[regex.Match[str]], Value]", extra: str = "") -> Callable[..., Outputs]:
    """`match`, `capture` and `scan`."""

    def run(env: Env, path: Path, value: Value, pattern: Filter, flags: Filter | None = None) -> Outputs:
        untracked(path)
        for mark in values(flags, env, value) if flags is not None else (None,):
            for source in values(pattern, env, value):
                for one in match_list(env, value, source, (mark or "") + extra if extra else mark):
                    yield None, shape(one)

    return run


def splits(env: Env, path: Path, value: Value, pattern: Filter, flags: Filter | None = None) -> Outputs:
    untracked(path)
    for mark in values(flags, env, value) if flags is not None else (None,):
        for source in values(pattern, env, value):
            for part in split_by_pattern(env, value, source, mark):
                yield None, part


def substitute(extra: str) -> Callable[..., Outputs]:
    """`sub` and `gsub`: the replacement sees the named groups."""

    def run(
        env: Env, path: Path, value: Value, pattern: Filter, new: Filter, flags: Filter | None = None
    ) -> Outputs:
        untracked(path)
        text = need_text(env, value, "matched")
        for mark in values(flags, env, value) if flags is not None else ("",):
            for source in values(pattern, env, value):
                yield None, replaced(env, text, match_list(env, value, source, mark + extra), new)

    return run


def replaced(env: Env, text: str, found: "list[regex.Match[str]]", new: Filter) -> str:
    """Put the replacement of each match into a text."""
    parts: list[str] = []
    end = chars = 0
    for one in found:
        replacement = next(values(new, env, captured(one)), "")
        if not isinstance(replacement, str):
            raise fail("a replacement must be a string")
        parts += [text[end : one.start()], replacement]
        chars += len(parts[-2]) + len(replacement)
        env.run.room_for(chars)
        end = one.end()
    return "".join([*parts, text[end:]])


MATCHING: Final[Mapping[str, Callable[..., Outputs]]] = {
    **{f"match/{count}": several(described) for count in (1, 2)},
    **{f"capture/{count}": several(captured) for count in (1, 2)},
    **{f"scan/{count}": several(scanned, "g") for count in (1, 2)},
    **{f"splits/{count}": splits for count in (1, 2)},
    **{f"sub/{count}": substitute("") for count in (2, 3)},
    **{f"gsub/{count}": substitute("g") for count in (2, 3)},
}
