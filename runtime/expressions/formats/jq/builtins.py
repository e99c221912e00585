"""The functions that come with jq, by name and number of arguments.

What would read a clock, the environment or further inputs is refused by name.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from hookledger.runtime.expressions.formats.jq import generators, matching, mathematics, selections, strings
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    Filter,
    Outputs,
    Path,
    refused,
    untracked,
    values,
)
from hookledger.runtime.expressions.formats.jq.strings import FORMATS
from hookledger.runtime.expressions.values import Value

if TYPE_CHECKING:
    from collections.abc import Sequence

Builtin = Callable[..., Outputs]


def plain(function: Callable[..., Value]) -> Builtin:
    """A builtin that computes one value; its arguments are values, in every combination."""

    def run(env: Env, path: Path, value: Value, *arguments: Filter) -> Outputs:
        untracked(path)
        for combination in combinations(env, value, arguments):
            yield None, function(env, value, *combination)

    return run


def combinations(env: Env, value: Value, arguments: "Sequence[Filter]") -> Iterator[list[Value]]:
    """Every combination of the arguments' outputs."""
    if not arguments:
        yield []
        return
    for one in values(arguments[-1], env, value):
        for rest in combinations(env, value, arguments[:-1]):
            yield [*rest, one]


def unavailable(name: str) -> Builtin:
    """A builtin that would look outside."""

    def run(_env: Env, _path: Path, _value: Value, *_arguments: Filter) -> Outputs:
        return refusal(name)

    return run


def refusal(name: str) -> Outputs:
    """Refuse a program that asks for what is outside."""
    raise refused(f"{name} is not available")


UNAVAILABLE: Final = [
    "input",
    "inputs",
    "debug",
    "stderr",
    "env",
    "halt",
    "halt_error",
    "input_filename",
    "input_line_number",
    "now",
    "localtime",
    "strflocaltime",
    "get_search_list",
    "$__prog_args",
    "modulemeta",
]


# Conveniences which are easiest to say in jq itself.
PRELUDE: Final[Mapping[str, str]] = {
    "map/1": "def map(f): [.[] | f];",
    "map_values/1": "def map_values(f): .[] |= f;",
    "recurse/2": "def recurse(f; c): def r: ., (f | select(c) | r); r;",
    "to_entries/0": "def to_entries: [keys_unsorted[] as $k | {key: $k, value: .[$k]}];",
    "with_entries/1": "def with_entries(f): to_entries | map(f) | from_entries;",
    "paths/1": "def paths(f): paths as $p | select(getpath($p) | f) | $p;",
    "leaf_paths/0": "def leaf_paths: paths(scalars);",
    "any/2": "def any(g; f): isempty(first(g | f | select(.))) | not;",
    "all/2": "def all(g; f): isempty(first(g | f | select(. | not)));",
    "any/1": "def any(f): any(.[]; f);",
    "all/1": "def all(f): all(.[]; f);",
    "any/0": "def any: any(.[]; .);",
    "all/0": "def all: all(.[]; .);",
    "in/1": "def in(xs): . as $x | xs | has($x);",
    "inside/1": "def inside(xs): . as $x | xs | contains($x);",
    "combinations/0": """def combinations:
        if length == 0 then [] else .[0][] as $x | (.[1:] | combinations) as $w | [$x] + $w end;""",
    "combinations/1": "def combinations(n): . as $dot | [range(n)] | map($dot) | combinations;",
    "todate/0": 'def todate: strftime("%Y-%m-%dT%H:%M:%SZ");',
    "fromdate/0": "def fromdate: fromdateiso8601;",
    "date/0": "def date: todate;",
    "todateiso8601/0": "def todateiso8601: todate;",
    "dateadd/2": "def dateadd(u; n): . + n;",
    "datesub/2": "def datesub(u; n): . - n;",
    "isvalid/1": "def isvalid(f): try (f | true) catch false;",
    "finites/0": "def finites: select(isinfinite or isnan | not);",
    "normals/0": "def normals: select(isnormal);",
    "tostream/0": """def tostream:
        path(def r: (.[]? | r), .; r) as $p | getpath($p)
        | reduce path(.[]?) as $q ([$p, .]; [$p + $q]);""",
    "fromstream/1": """def fromstream(f):
        foreach f as $i ({x: null, e: false};
            (if .e then {x: null, e: false} else . end)
            | if ($i | length) == 2
              then setpath(["e"]; ($i[0] | length) == 0) | setpath(["x"] + $i[0]; $i[1])
              else setpath(["e"]; ($i[0] | length) == 1) end;
            if .e then .x else empty end);""",
    "truncate_stream/1": """def truncate_stream(s):
        . as $n | s | . as $i | if ($i[0] | length) > $n then setpath([0]; $i[0][$n:]) else empty end;""",
    "INDEX/1": "def INDEX(f): reduce .[] as $r ({}; .[$r | f | tostring] |= $r);",
    "INDEX/2": "def INDEX(g; f): reduce g as $r ({}; .[$r | f | tostring] |= $r);",
    "IN/1": "def IN(s): any(s == .; .);",
    "IN/2": "def IN(g; s): any(g == s; .);",
    "del/1": "def del(f): delpaths([path(f)]);",
    "ascii/0": "def ascii: [.] | implode;",
    "pick/1": "def pick(f): . as $top | reduce path(f) as $p (null; setpath($p; $top | getpath($p)));",
}


@lru_cache(maxsize=128)
def prelude(key: str) -> Filter:
    """Compile a convenience when it is first used."""
    from hookledger.runtime.expressions.formats.jq.parser import Parser
    from hookledger.runtime.expressions.formats.jq.tokens import Scanner

    name, _, count = key.partition("/")
    names = [f"a{number}" for number in range(int(count))]
    call = f"{name}({'; '.join(names)})" if names else name
    return Parser(Scanner(f"{PRELUDE[key]} {call}").run()).program()


def from_prelude(key: str) -> Builtin:
    """A convenience, with the arguments of this call."""
    from hookledger.runtime.expressions.formats.jq.core import Closure

    def run(env: Env, path: Path, value: Value, *arguments: Filter) -> Outputs:
        known = {f"a{number}/0": Closure(one, env) for number, one in enumerate(arguments)}
        yield from prelude(key)(Env(env.run, {}, dict(known)), path, value)

    return run


def formatted(name: str) -> Filter:
    """`@name`."""

    def run(env: Env, path: Path, value: Value) -> Outputs:
        untracked(path)
        yield None, FORMATS[name](env, value)

    return run


PLAIN_TABLES: Final = (selections.PLAIN, strings.PLAIN, mathematics.PLAIN)
BUILTINS: Final[Mapping[str, Builtin]] = {
    **{key: from_prelude(key) for key in PRELUDE},
    **{key: plain(one) for table in PLAIN_TABLES for key, one in table.items()},
    **generators.GENERATORS,
    **matching.MATCHING,
    **{f"{name}/{count}": unavailable(name) for name in UNAVAILABLE for count in range(3)},
}
