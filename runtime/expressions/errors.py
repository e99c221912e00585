"""What can go wrong with an expression, and where.

Owns the error family of the expression language: each error knows the template, the place in it and, for
a name that does not exist, the nearest name that does. The flow and the YAML file are not known
here; callers add them with `at()`.
"""

import copy
import copyreg
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

ADVICE = {
    "E001": "correct the template at this place",
    "E002": "use a name listed in docs/expressions.md",
    "E003": "give the value, or write `?? 'fallback'`",
    "E004": "check the value and the arguments against docs/expressions.md",
    "E005": "make the template do less, or raise the limit",
    "E006": "set it where the engine runs (a secret is HOOKLEDGER_SECRET_NAME), or hand in an Ambient that has it",
}

HIDDEN = "***"  # stands where the value of a secret would show


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing wrong with a template, found before it ran."""

    code: str
    message: str
    line: int = 1  # 1-based, in the template
    column: int = 1  # 1-based, in characters
    name: str | None = None
    nearest: str | None = None

    def hidden(self, secrets: Iterable[str]) -> Self:
        """The same problem without the values of secrets."""
        shown = self
        for secret in secrets:
            shown = replace(
                shown,
                message=shown.message.replace(secret, HIDDEN),
                name=shown.name and shown.name.replace(secret, HIDDEN),
                nearest=shown.nearest and shown.nearest.replace(secret, HIDDEN),
            )
        return shown

    def told(self) -> str:
        """What and where, without the code."""
        hint = f"; did you mean `{self.nearest}`?" if self.nearest else ""
        return f"{self.message} at line {self.line}, column {self.column}{hint}"

    def __str__(self) -> str:
        return f"{self.code}: {self.told()}"


class ExpressionError(Exception):
    """A template could not be compiled or rendered; says where and what to do next."""

    code: ClassVar[str] = "E004"

    def __init__(
        self, message: str, *, name: str | None = None, nearest: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.name, self.nearest = name, nearest
        self.offset = offset  # in characters from the template's start; None until it is known
        self.template: str | None = None
        self.line: int | None = None
        self.column: int | None = None
        self.where: str | None = None  # flow, file and line, added by the caller

    def located(self, template: str, offset: int | None) -> Self:
        """Tell the error which template failed; the innermost template that says so wins."""
        if self.template is None:
            self.template = template
            self.offset = offset if self.offset is None else self.offset
            if self.offset is not None:
                self.line, self.column = line_and_column(template, self.offset)
        return self

    def at(self, where: str) -> Self:
        """Return a copy which also names the flow, the file or whatever else holds the template."""
        twin = copy.copy(self)
        twin.where = where
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy the facts without calling `__init__`: each subclass takes arguments of its own."""
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]

    def hide(self, secrets: Iterable[str]) -> None:
        """Keep the values of secrets out of all that is told."""
        for secret in secrets:
            self.message = self.message.replace(secret, HIDDEN)
            self.template = self.template.replace(secret, HIDDEN) if self.template else self.template
            self.name = self.name.replace(secret, HIDDEN) if self.name else self.name
            self.nearest = self.nearest.replace(secret, HIDDEN) if self.nearest else self.nearest
        self.args = (self.message,)

    def problem(self) -> Problem:
        """The same fact as plain data."""
        return Problem(
            code=self.code,
            message=self.message,
            line=self.line or 1,
            column=self.column or 1,
            name=self.name,
            nearest=self.nearest,
        )

    def __str__(self) -> str:
        parts = [f"{self.code}: {self.message}"]
        if self.nearest:
            parts.append(f"did you mean `{self.nearest}`?")
        if self.template is not None:
            parts.append(f"in {shortened(self.template)}")
        if self.line is not None:
            parts.append(f"at line {self.line}, column {self.column}")
        if self.where is not None:
            parts.append(f"({self.where})")
        return " ".join(parts) + f"; {ADVICE[self.code]}"


class ExpressionSyntaxError(ExpressionError):
    """The template itself is wrong; every problem that was found is listed in `problems`."""

    code = "E001"

    def __init__(self, problems: tuple[Problem, ...], template: str) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first.message + more, name=first.name, nearest=first.nearest)
        self.problems = problems
        self.template, self.line, self.column = template, first.line, first.column

    def hide(self, secrets: Iterable[str]) -> None:
        """Keep the values of secrets out of every problem too."""
        known = tuple(secrets)
        super().hide(known)
        self.problems = tuple(one.hidden(known) for one in self.problems)


class MissingValue(ExpressionError):
    """A variable, key or index does not exist. The only error `??` and `default` catch."""

    code = "E003"


class WrongValue(ExpressionError):
    """An operator, filter, test or function cannot work with what it was given."""

    code = "E004"


class LimitExceeded(ExpressionError):
    """The template does too much or makes too much; stopped before it hurts others."""

    code = "E005"


class AmbientUnavailable(ExpressionError):
    """A value from outside was asked for and nobody can give it."""

    code = "E006"


def line_and_column(template: str, offset: int) -> tuple[int, int]:
    """Turn an offset into the 1-based line and column an editor shows."""
    before = template[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


def shortened(template: str, *, length_max: int = 120) -> str:
    """Quote a template for a message; long ones keep their beginning."""
    return repr(template if len(template) <= length_max else template[: length_max - 3] + "...")
