"""Fits the arguments of a call to what the filter, function, test or macro takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import nodes

from hookledger.runtime.expressions.language.tokens import Mistake
from hookledger.runtime.expressions.library.registry import Parameter
from hookledger.runtime.expressions.nearest import nearest


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments as written."""

    positional: list[nodes.Expr]
    named: dict[str, nodes.Expr]
    offset: int


def bind(
    what: str,
    parameters: Sequence[Parameter],
    arguments: Arguments,
    warnings: list[Mistake],
    *,
    variadic: bool = False,
) -> list[nodes.Expr | None]:
    """Return one expression per parameter, None where the call leaves it out.

    What takes no arguments at all ignores those it is given; of an argument given twice the named one counts. Both
    work, and are added to `warnings`.
    """
    names = [one.name for one in parameters]
    if not names and not variadic:
        if arguments.positional or arguments.named:
            warnings.append(Mistake(f"{what} takes no arguments; those given are ignored", arguments.offset))
        return []
    check_count(what, names, arguments, variadic=variadic)
    check_names(what, names, arguments, warnings)
    given = dict(zip(names, arguments.positional, strict=False)) | arguments.named
    for one in parameters:
        if one.required and one.name not in given:
            raise Mistake(f"{what} needs the argument `{one.name}`", arguments.offset, name=one.name)
    return [given.get(name) for name in names] + list(arguments.positional[len(names) :])


def check_count(what: str, names: list[str], arguments: Arguments, *, variadic: bool) -> None:
    """Refuse surplus arguments."""
    if len(arguments.positional) > len(names) and not variadic:
        takes = f"at most {len(names)}" if names else "no"
        raise Mistake(
            f"{what} takes {takes} argument(s), {len(arguments.positional)} are given", arguments.offset
        )


def check_names(what: str, names: list[str], arguments: Arguments, warnings: list[Mistake]) -> None:
    """Refuse names the callee does not have; tell of arguments given twice."""
    for name in arguments.named:
        if name not in names:
            raise Mistake(
                f"{what} has no argument `{name}`",
                arguments.offset,
                code="E002",
                name=name,
                nearest=nearest(name, names),
            )
        if names.index(name) < len(arguments.positional):
            warnings.append(
                Mistake(f"{what} is given `{name}` twice; the named one counts", arguments.offset)
            )
