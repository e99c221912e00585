"""Somebody with an editor changes a file: what the log commits to, and what stands around it, is noticed."""

import hashlib
import random
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import trio
from click.testing import CliRunner

from hookledger.journal.cli import journal as group
from hookledger.journal.events import AccessRecorded, DuplicateDelivery, OutputsResolved
from hookledger.journal.journal import open_journal
from hookledger.journal.sqlite import SqliteStore, partition_file
from hookledger.journal.sqlite.schema import SCHEMA_VERSION
from hookledger.journal.store import LogLine
from hookledger.journal.verify import SqliteSource, verify

from .builders import (
    EXECUTION,
    OTHER,
    START,
    CountingEntropy,
    FixedClock,
    append,
    made,
    numbered,
    received,
    register,
    sql,
    tamper,
    task,
    with_lines,
)

BODY = b"a body that was stored"
STORED = "company/team/greet/executions/x/webhook/body"


def lines(execution: str, path: str, *messages: str) -> list[LogLine]:
    """What an attempt wrote."""
    return [
        LogLine(
            execution=execution, path=path, attempt=1, number=number, at=START, level="INFO", message=message
        )
        for number, message in enumerate(messages)
    ]


async def write(directory: Path) -> None:
    """Two executions with claims, deliveries, labels, lines and a stored body; and somebody who was refused."""
    store = SqliteStore(directory)
    file = directory / "files" / STORED
    file.parent.mkdir(parents=True)
    file.write_bytes(BODY)
    async with open_journal(store, clock=FixedClock(START + 5000), entropy=CountingEntropy()) as journal:
        register(journal)
        journal.append_system(
            lambda sequence, at: made(
                AccessRecorded, sequence, at, by="user:ann", action="login", resource="-"
            ),
            actor="user:ann",
        )
        for execution, key in ((EXECUTION, "k1"), (OTHER, "k2")):
            first = received(
                delivery=f"d{key}",
                deduplication=key,
                deduplication_until=START + 10_000,
                labels={"team": key},
                body_uri=f"kestra:///{STORED}",
                stored_sha256=hashlib.sha256(BODY).hexdigest(),
            )
            wrote = lines(execution, "make", "one", "two", "three") + lines(
                execution, "log", f"last of {key}"
            )
            events = numbered(first, *task("make"), *task("log"), made(OutputsResolved))
            events = with_lines(with_lines(events, wrote[:3], "make"), wrote[3:], "log")
            repeated = made(DuplicateDelivery, 6, START + 6, delivery=f"again-{key}", body_same=True)
            append(journal, execution, (*events, repeated), logs=wrote)
    store.close()


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("original") / "data"
    trio.run(write, directory)
    return directory


@pytest.fixture
def data(original: Path, tmp_path: Path) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(original, tmp_path / "data"))


def broken(data: Path) -> set[str]:
    source = SqliteSource(partition_file(data))
    try:
        return {violation.rule for violation in verify(source).violations}
    finally:
        source.close()


TAMPERED: Sequence[tuple[str, str]] = [
    ("S04", "UPDATE entry SET payload = NULL, salt = NULL WHERE exec <> 'system'"),
    ("S04", "UPDATE entry SET payload = NULL, salt = NULL WHERE exec = 'system' AND n = 3"),
    ("S04", "UPDATE entry SET salt = NULL WHERE n = 0"),
    ("L23", "UPDATE log SET message = 'One' WHERE message = 'one'"),
    ("L23", "UPDATE log SET level = 'DEBUG' WHERE message = 'one'"),
    ("L23", "UPDATE log SET at = at + 1 WHERE message = 'one'"),
    ("L23", "DELETE FROM log WHERE message = 'two'"),
    ("L23", "DELETE FROM log WHERE message = 'three'"),
    ("L23", "DELETE FROM log"),
    ("L23", "INSERT INTO log SELECT execution, path, 1, 4, at, level, 'planted' FROM log LIMIT 1"),
    ("L23", f"INSERT INTO log VALUES ('{EXECUTION}', 'make', 2, 0, 1, 'INFO', 'planted')"),
    ("L23", "INSERT INTO log VALUES ('nobody', 'make', 1, 0, 1, 'INFO', 'planted')"),
    ("L23", "UPDATE log SET number = 1 - number WHERE number < 2 AND path = 'make'"),
    ("L23", "UPDATE log SET rowid = 100 - rowid"),
    ("L23", f"UPDATE log SET execution = CASE execution WHEN '{EXECUTION}' THEN '{OTHER}' ELSE '{EXECUTION}' END"),
    ("L18", "INSERT INTO claim SELECT scope, 'planted', execution, fingerprint, at, expires FROM claim LIMIT 1"),
    ("L18", f"UPDATE claim SET execution = '{OTHER}'"),
    ("L18", "UPDATE claim SET execution = 'nobody', at = at + 1 WHERE key = 'k1'"),
    ("L18", "UPDATE claim SET expires = expires + 1 WHERE key = 'k1'"),
    ("L18", "UPDATE claim SET fingerprint = 'x' WHERE key = 'k1'"),
    ("L18", "DELETE FROM claim WHERE key = 'k1'"),
    ("L18", "UPDATE claim SET key = CASE key WHEN 'k1' THEN 'K2' ELSE 'K1' END"),
    ("L21", "INSERT INTO delivery VALUES ('planted', 1, 'n', 'f', 't', 'REJECTED', '', '{}')"),
    ("L21", f"UPDATE delivery SET execution = '{OTHER}', at = at + 1 WHERE delivery = 'dk1'"),
    ("L21", "UPDATE delivery SET kind = 'REJECTED' WHERE delivery = 'again-k1'"),
    ("L21", "UPDATE delivery SET more = '{\"nonsense\":1}' WHERE delivery = 'dk1'"),
    ("L21", "UPDATE delivery SET more = 'no json' WHERE delivery = 'dk1'"),
    ("L21", "UPDATE delivery SET more = '{\"status\":\"x\"}' WHERE delivery = 'dk1'"),
    ("L21", "DELETE FROM delivery WHERE delivery = 'again-k2'"),
    ("L14", "INSERT INTO execution VALUES (99, 'planted', 'n', 'f', 't', 1, 2, 'SUCCESS', '', '{}')"),
    ("L14", f"DELETE FROM execution WHERE execution = '{OTHER}'"),
    ("L14", "UPDATE execution SET more = '{\"nonsense\":1}'"),
    ("L14", "UPDATE execution SET more = '[]'"),
    ("L14", f"UPDATE execution SET id = 77 WHERE execution = '{OTHER}'"),
    ("L19", "INSERT INTO execution_label SELECT 'team', 'planted', started, id FROM execution_label LIMIT 1"),
    ("L19", "UPDATE execution_label SET value = 'k3' WHERE value = 'k2'"),
    ("L20", "INSERT INTO execution_minute VALUES (1, 'n', 'f', 'FAILED', 1)"),
    ("L20", "INSERT INTO execution_minute SELECT minute, 'planted', flow, state, count FROM execution_minute LIMIT 1"),
    ("L22", "INSERT INTO system_entry VALUES ('TokenIssued', 3)"),
    ("L22", "INSERT INTO actor_entry VALUES ('user:bob', 3)"),
    ("L22", "UPDATE actor_entry SET pos = pos + 1"),
    ("L22", "UPDATE counter SET value = value + 1"),
    ("S18", "INSERT INTO counter VALUES ('planted', 1)"),
    ("S18", "INSERT INTO meta VALUES ('planted', '1')"),
    ("S18", "CREATE TABLE planted (a)"),
    ("S18", "CREATE INDEX planted ON log (message)"),
    ("S18", "CREATE VIEW planted AS SELECT 1"),
    ("S18", "DROP VIEW events"),
    ("S18", "DROP VIEW events; CREATE VIEW events AS SELECT pos, exec AS execution, 0 AS sequence FROM entry"),
    ("S18", "DROP INDEX entry_of_execution"),
    ("S18", "DROP INDEX log_of_execution; CREATE INDEX log_of_execution ON log (message)"),
    ("S18", "ALTER TABLE claim ADD COLUMN planted TEXT"),
]  # fmt: skip
"""A rule, and a change of the file that breaks it."""


@pytest.mark.parametrize(("rule", "change"), TAMPERED)
def test_a_change_is_noticed(data: Path, rule: str, change: str) -> None:
    """
    `verify` names the rule that a changed, moved, planted or missing row breaks.
    """
    assert broken(data) == set()
    tamper(partition_file(data), *change.split("; "))
    assert rule in broken(data)


GUARDS = [
    "DROP TRIGGER entry_is_never_deleted",
    "DROP TRIGGER entry_is_never_changed",
    "DROP TRIGGER log_is_never_deleted",
    "DROP TRIGGER log_is_never_changed",
    "DROP TRIGGER entry_is_never_changed; CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry WHEN 0"
    " BEGIN SELECT 1; END",
    "CREATE TRIGGER planted AFTER INSERT ON entry BEGIN DELETE FROM claim; END",
]


@pytest.mark.parametrize("change", GUARDS)
def test_guards_are_looked_at(data: Path, change: str) -> None:
    """
    S18: a guard trigger that was dropped or changed, and one that was planted; `reindex` makes them anew.
    """
    sql(partition_file(data), *re.split(r"; (?=CREATE)", change))
    assert broken(data) == {"S18"}
    assert CliRunner().invoke(group, ["reindex", "--data", str(data)]).exit_code == 0
    assert broken(data) == set()


def _exchanged(file: Path) -> None:
    file.write_bytes(b"another body")


def _missing(file: Path) -> None:
    file.unlink()


def _all_missing(file: Path) -> None:
    shutil.rmtree(file.parents[6])


def _directory(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("change", [_exchanged, _missing, _all_missing, _directory])
def test_stored_bodies_are_looked_at(data: Path, change: Callable[[Path], None]) -> None:
    """
    L24: a stored body that was exchanged or is gone, alone or with everything beside it.
    """
    change(data / "files" / STORED)
    assert broken(data) == {"L24"}


def test_a_copy_of_the_database_alone_says_what_was_not_looked_at(data: Path) -> None:
    """
    W02: where a partition file is named itself, stored bodies are not beside it; the report says how many.
    """
    result = CliRunner().invoke(group, ["verify", "--data", str(partition_file(data))])
    assert result.exit_code == 0
    assert "W02" in result.output
    assert "2 stored bodies and files" in result.output
    assert result.output.endswith("OK, with 1 WARNING\n")


def test_a_copy_without_its_wal_is_a_warning(data: Path) -> None:
    """
    W01: the database alone, copied from a running server, may lack acknowledged executions; `verify` says so.
    """
    copy = data.parent / "copy"
    copy.mkdir()

    async def run() -> None:
        store = SqliteStore(data)
        async with open_journal(store) as journal:
            for number in range(13):
                await append(journal, f"0VAtR4000004q00000001{number:02}", (received(),)).durable()
            shutil.copy(partition_file(data), partition_file(copy))
            shutil.copytree(data / "files", copy / "files")
        store.close()

    trio.run(run)
    result = CliRunner().invoke(group, ["verify", "--data", str(copy), "--json"])
    report = msgspec.json.decode(result.stdout)
    assert [(warning["rule"], warning["execution"]) for warning in report["warnings"]] == [("W01", "")]
    assert CliRunner().invoke(group, ["verify", "--data", str(data)]).output.endswith("\nOK\n")


def damaged(healthy: bytes, chance: random.Random) -> bytes:
    """A file as bad disks, bad copies and strangers leave it."""
    file = bytearray(healthy)
    match chance.randrange(5):
        case 0:
            for _ in range(chance.choice((1, 3, 30))):
                file[chance.randrange(len(file))] = chance.randrange(256)
        case 1:
            del file[chance.randrange(len(file)) :]
        case 2:
            page, other = (chance.randrange(len(file) // 4096) * 4096 for _ in range(2))
            file[page : page + 4096] = file[other : other + 4096]
        case 3:
            page = chance.randrange(len(file) // 4096) * 4096
            file[page : page + 4096] = bytes(4096)
        case _:
            return chance.randbytes(chance.choice((0, 1, 100, 5000)))
    return bytes(file)


COMMANDS = [
    ("ls",),
    ("show", EXECUTION),
    ("logs", EXECUTION),
    ("tail",),
    ("stats",),
    ("deliveries",),
    ("verify",),
    ("verify", EXECUTION),
    ("reindex",),
]


@pytest.mark.parametrize("seed", range(12))
def test_every_command_says_in_one_line_what_is_wrong_with_a_file(
    data: Path, tmp_path: Path, seed: int
) -> None:
    """
    A malformed, truncated, empty or foreign file ends no command with a traceback: findings, or one line and its code.
    """
    broken_file = damaged(partition_file(data).read_bytes(), random.Random(seed))
    for number, (command, *rest) in enumerate(COMMANDS):
        directory = tmp_path / f"{number}"
        directory.mkdir()
        partition_file(directory).write_bytes(broken_file)
        result = CliRunner().invoke(group, [command, "--data", str(directory), *rest])
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            command,
            result.exc_info,
        )
        assert result.exit_code in (0, 1, 4, 5), (command, result.output)
        assert result.stderr.count("\n") == (result.exit_code in (4, 5) and bool(result.stderr)), (
            result.stderr
        )


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.write_bytes(b""), "the file is empty"),
        (lambda path: path.write_bytes(b"garbage " * 1000), "file is not a database"),
        (lambda path: sql(path, "CREATE TABLE t (a)"), "schema version 0"),
        (
            lambda path: sql(path, "CREATE TABLE t (a)", f"PRAGMA user_version = {SCHEMA_VERSION}"),
            "no table `meta`",
        ),
        (lambda path: path.mkdir(), "it is no file"),
    ],
)
@pytest.mark.parametrize("command", ["ls", "tail", "stats", "verify", "deliveries", "reindex"])
def test_what_is_no_journal_is_named(
    tmp_path: Path, make: Callable[[Path], object], says: str, command: str
) -> None:
    """
    J006 in one line, by every command, for an empty file, garbage, another program's database and a directory.
    """
    make(partition_file(tmp_path))
    result = CliRunner().invoke(group, [command, "--data", str(tmp_path)])
    assert (result.exit_code, result.stderr.count("\n")) == (5, 1)
    assert result.stderr.startswith("J00")
    assert says in result.stderr
