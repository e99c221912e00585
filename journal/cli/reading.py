"""Opening a data directory for the command line, and what goes wrong with it: one line, one stable exit code."""

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar, Concatenate, Final, ParamSpec

import click
import msgspec

from hookledger.journal.cli.text import say
from hookledger.journal.entry import Entry, check_chain
from hookledger.journal.errors import (
    ExecutionDamaged,
    ExecutionUnknown,
    JournalError,
    JournalLocked,
    JournalMissing,
    JournalUnreadable,
)
from hookledger.journal.sqlite import SqliteReader, partition_file
from hookledger.journal.verify.source import translated

P = ParamSpec("P")

OK: Final = 0
VIOLATED: Final = 1
USAGE: Final = 2
MISSING: Final = 3
UNKNOWN: Final = 4
UNREADABLE: Final = 5
LOCKED: Final = 6

CANDIDATES_MAX: Final = 10

_EXIT_CODES: Final[dict[type[JournalError], int]] = {
    JournalMissing: MISSING,
    ExecutionUnknown: UNKNOWN,
    JournalUnreadable: UNREADABLE,
    JournalLocked: LOCKED,
}


class ExecutionAmbiguous(ExecutionUnknown):
    """Several executions begin like this."""

    code: ClassVar[str] = "J005"

    def __init__(self, prefix: str, candidates: list[str]) -> None:
        self.execution = prefix
        shown = ", ".join(candidates[:CANDIDATES_MAX])
        more = ", ..." if len(candidates) > CANDIDATES_MAX else ""
        JournalError.__init__(self, f"{prefix} begins several executions, give more of it: {shown}{more}")


class JournalFile(SqliteReader):
    """A partition file with the questions only the command line asks."""

    def find(self, prefix: str) -> str:
        """Return the execution an id or a unique prefix names; the log decides, not the index.

        Raises:
            ExecutionUnknown: None does, or several do.
        """
        found = [
            row[0]
            for row in self._all(
                "SELECT DISTINCT exec FROM entry WHERE exec >= ? AND exec < ? ORDER BY exec LIMIT ?",
                prefix,
                f"{prefix}\U0010ffff",
                CANDIDATES_MAX + 1,
            )
        ]
        if not prefix or not found:
            raise ExecutionUnknown(prefix or "without an id")
        if len(found) > 1 and found[0] != prefix:
            raise ExecutionAmbiguous(prefix, found)
        return str(found[0])

    def history(self, prefix: str) -> tuple[str, list[Entry]]:
        """Return an execution's full id and its entries."""
        execution = self.find(prefix)
        return execution, self.entries(execution)

    def damage(self, execution: str) -> str:
        """Say in a sentence that entries of an execution are damaged; empty when they are whole."""
        try:
            entries = self.entries(execution)
            if not entries:
                raise ExecutionDamaged(execution, "entry 0 is missing")
            check_chain(entries)
            for entry in entries:
                entry.events()
        except ExecutionDamaged as error:
            return str(error)
        except msgspec.DecodeError as error:
            return str(ExecutionDamaged(execution, str(error)))
        return ""

    def end(self) -> int:
        """Position of the next entry."""
        found = self._one("SELECT max(pos) FROM entry")
        return 0 if found is None or found[0] is None else found[0] + 1

    def table(self, query: str) -> list[tuple[Any, ...]]:
        """Answer a query of the statistics."""
        return self._all(query)


def location(data: Path) -> Path:
    """The partition file of a data directory; a file may also be named itself.

    Raises:
        JournalMissing: There is none.
    """
    path = data if data.is_file() else partition_file(data)
    if not path.exists():
        raise JournalMissing(str(data))
    if not path.is_file():
        raise JournalUnreadable(str(path), "it is no file")
    if not os.access(path, os.R_OK):
        raise JournalUnreadable(str(path), "you may not read it; use the user the server runs as")
    return path


@contextmanager
def opened(data: Path) -> Generator[JournalFile]:
    """Open the journal of a data directory; what is broken about it becomes a JournalUnreadable.

    Raises:
        JournalMissing, JournalUnreadable: It cannot be opened or read.
    """
    path = location(data)
    with translated(path):
        reader = JournalFile(path)
        try:
            yield reader
        except msgspec.DecodeError as error:
            raise JournalUnreadable(
                str(path), f"{error}; `hookledger journal verify` names the place"
            ) from error
        finally:
            reader.close()


def _data_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--data",
        type=click.Path(path_type=Path),
        default=Path("data"),
        show_default="./data",
        envvar="HOOKLEDGER_DATA",
        help="Data directory, or a copy of its partition file.",
    )(command)


json_option: Final = click.option("--json", "as_json", is_flag=True, help="JSON for programs.")


def reading(command: Callable[Concatenate[JournalFile, P], None]) -> Callable[..., None]:
    """Give a command the opened journal and turn its errors into exit codes."""

    @wraps(command)
    def run(data: Path, /, *args: P.args, **kwargs: P.kwargs) -> None:
        with opened(data) as reader:
            command(reader, *args, **kwargs)

    return located(run)


def located(command: Callable[Concatenate[Path, P], None]) -> Callable[..., None]:
    """Give a command the data directory and turn its errors into exit codes."""

    @_data_option
    @wraps(command)
    def run(data: Path, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(data, *args, **kwargs)
        except JournalError as error:
            fail(error)
        except KeyboardInterrupt:
            raise SystemExit(OK) from None

    return run


def fail(error: JournalError) -> None:
    """Say it in one line and leave with the error's exit code."""
    say(" ".join(str(error).split()), err=True)
    code = next((code for kind, code in _EXIT_CODES.items() if isinstance(error, kind)), UNREADABLE)
    raise SystemExit(code)
