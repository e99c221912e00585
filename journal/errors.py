"""Errors of the journal: each says who has to act and what to do next. Pages: docs/errors/."""

from typing import ClassVar


class JournalError(Exception):
    """Base of everything the journal raises."""

    code: ClassVar[str] = "J000"

    def __init__(self, message: str) -> None:
        super().__init__(f"{self.code}: {message}")


class JournalLocked(JournalError):
    """Another process writes to this data directory."""

    code = "J001"

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(
            f"the journal in {path} is in use by {holder or 'another process'}; "
            "stop that first, or choose another data directory (`--data DIR`, or the argument of `Engine.open`)"
        )


class JournalGap(JournalError):
    """An event is missing; replay stopped before inventing state."""

    code = "J002"

    def __init__(self, *, expected: int, found: int) -> None:
        self.expected, self.found = expected, found
        super().__init__(
            f"expected sequence {expected}, found {found}; "
            "run `hookledger journal verify` to see the first bad entry"
        )


class JournalPoisoned(JournalError):
    """A commit failed; what is on disk is unknown, so nothing more is written."""

    code = "J003"

    def __init__(self, reason: str, advice: str = "free the disk or repair it") -> None:
        super().__init__(
            f"the journal stopped because a commit failed ({reason}); "
            f"{advice}, then start again: every acknowledged execution is recovered"
        )


class JournalMissing(JournalError):
    """There is no journal where one was expected."""

    code = "J004"

    def __init__(self, path: str) -> None:
        super().__init__(f"no journal in {path}; name the data directory with --data DIR")


class ExecutionUnknown(JournalError):
    """No execution of that id in this journal."""

    code = "J005"

    def __init__(self, execution: str) -> None:
        self.execution = execution
        super().__init__(f"no execution {execution} here; `hookledger journal ls` lists what there is")


class ExecutionDamaged(JournalError):
    """Entries of an execution are missing or changed: nothing is written behind them."""

    code = "J008"

    def __init__(self, execution: str, reason: str) -> None:
        self.execution = execution
        super().__init__(
            f"execution {execution} is damaged ({reason}); "
            "`hookledger journal verify` names every broken entry, a backup has them whole"
        )


class ChainConflict(JournalError):
    """An append does not continue its execution's newest entry: somebody else wrote in between."""

    code = "J009"

    def __init__(self, execution: str, *, expected: int, found: int) -> None:
        self.execution = execution
        super().__init__(
            f"execution {execution}: entry {expected} comes next, not {found}; nothing was written, "
            "read the execution again"
        )


class JournalUnreadable(JournalError):
    """The file is there but is not a journal this version can read."""

    code = "J006"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path} cannot be read as a journal: {reason}")


class JournalUnwritable(JournalError):
    """The data directory is there but cannot be written as a journal must be."""

    code = "J007"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path} cannot be written: {reason}; "
            "give the server's user a data directory of its own on a local disk with free space"
        )
