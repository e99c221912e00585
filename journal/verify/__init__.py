"""Checks a journal against the rules that need nothing but the journal.

Structure rules (S..) say that the log is the one that was written, life-cycle rules (L..) that what it tells can
have happened. Rules about the meaning of flows (M..) need the flow language: who knows it hands in a `Meaning`.
"""

from hookledger.journal.verify.reader_source import ReaderSource
from hookledger.journal.verify.report import RULES, WARNINGS, Finding, Report, Violation
from hookledger.journal.verify.source import Row, Source, SqliteSource
from hookledger.journal.verify.verifier import Verifier, verify

__all__ = [
    "RULES",
    "WARNINGS",
    "Finding",
    "ReaderSource",
    "Report",
    "Row",
    "Source",
    "SqliteSource",
    "Verifier",
    "Violation",
    "verify",
]
