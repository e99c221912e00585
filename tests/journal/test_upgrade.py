"""Projections computed anew: from a file of schema 2, and after somebody changed them."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hookledger.journal.cli import journal as group
from hookledger.journal.deliveries import DeliveryQuery
from hookledger.journal.errors import JournalUnreadable
from hookledger.journal.figures import MINUTE, MinuteCount
from hookledger.journal.journal import open_journal
from hookledger.journal.sqlite import SqliteReader, SqliteStore, partition_file
from hookledger.journal.sqlite.schema import SCHEMA_VERSION
from hookledger.journal.store import Query
from hookledger.journal.verify import SqliteSource, verify

from .builders import EXECUTION, START, FixedClock, append, golden, register, sql

SCHEMA_2 = Path(__file__).parents[1] / "data" / "journal-2.sqlite3.gz"
"""Written by the code before schema 3: eight executions, of which the payload of the seventh was erased."""


STRANGE = {"S04", "L23"}
"""Rules it breaks whatever its schema: the payload that is gone, and a log line that no event commits to."""

PROJECTIONS = [
    ("L14", "UPDATE execution SET waits = 'RUNNING' WHERE waits = 'PAUSED'"),
    ("L18", "DELETE FROM claim WHERE key = 'k1'"),
    ("L19", "DELETE FROM execution_label WHERE value = 'green'"),
    ("L19", "INSERT INTO execution_label SELECT 'team', 'pink', started, id FROM execution LIMIT 1"),
    ("L20", "UPDATE execution_minute SET count = count + 1 WHERE state = 'FAILED' AND flow <> ''"),
    ("L20", "DELETE FROM execution_minute WHERE state = 'FAILED' AND flow = ''"),
    ("L21", "DELETE FROM delivery WHERE kind = 'REJECTED'"),
    ("L21", "UPDATE delivery SET more = json_set(more, '$.status', 200) WHERE kind = 'REJECTED'"),
    ("L22", "DELETE FROM system_entry WHERE type = 'AccessRecorded'"),
    ("L22", "DELETE FROM actor_entry WHERE pos = (SELECT min(pos) FROM actor_entry)"),
]
"""A rule about projections, and a change of the file that breaks it."""


def execution(number: int) -> str:
    return f"0VAtR4000004q000000000{number}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of schema 2."""
    partition_file(tmp_path).write_bytes(gzip.decompress(SCHEMA_2.read_bytes()))
    return tmp_path


@pytest.fixture
def upgraded(data: Path) -> Path:
    """The same directory after a writer has opened it."""
    SqliteStore(data).close()
    return data


@pytest.fixture
def reader(upgraded: Path) -> Iterator[SqliteReader]:
    reader = SqliteReader(partition_file(upgraded))
    yield reader
    reader.close()


def ask(data: Path, *arguments: str) -> Result:
    command, *rest = arguments
    return CliRunner().invoke(group, [command, "--data", str(data), *rest])


def broken(data: Path) -> set[str]:
    """The rules that a file breaks."""
    source = SqliteSource(partition_file(data))
    try:
        return {violation.rule for violation in verify(source).violations}
    finally:
        source.close()


def test_a_writer_brings_an_earlier_file_up_to_date(data: Path) -> None:
    """
    Opened by a writer, a file of schema 2 has the projections of today, breaks no rule and keeps every stored byte.
    """
    before = (
        sql(partition_file(data), "SELECT * FROM entry ORDER BY pos"),
        sql(partition_file(data), "SELECT * FROM log"),
    )
    SqliteStore(data).close()
    assert sql(partition_file(data), "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    after = (
        sql(partition_file(data), "SELECT * FROM entry ORDER BY pos"),
        sql(partition_file(data), "SELECT * FROM log"),
    )
    assert after == before
    assert broken(data) == STRANGE


def test_rows_are_computed_from_events(reader: SqliteReader) -> None:
    """
    What schema 2 did not know is there: reasons to wait, numbers of events, generations, deliveries.
    """
    rows = {row.execution: row for row in reader.rows(Query())[0]}
    assert [rows[execution(n)].waits for n in (1, 3, 4, 5)] == ["", "SLEEPING", "PAUSED", "RETRYING"]
    assert (rows[execution(1)].events, rows[execution(6)].generation) == (7, 1)
    assert rows[execution(2)].delivery == execution(2).replace("0VAt", "0VAd")
    assert reader.waiting() == {"SLEEPING": 1, "PAUSED": 1, "RETRYING": 1}


def test_labels_are_those_of_the_newest_row(reader: SqliteReader) -> None:
    """
    A label set after the end is found, the one it replaced is not.
    """

    def found(**labels: str) -> list[str]:
        return [row.execution for row in reader.rows(Query(labels=labels))[0]]

    assert found(team="green", seen="yes") == [execution(2)]
    assert execution(2) not in found(team="red")


def test_what_an_erased_payload_said_stays(reader: SqliteReader) -> None:
    """
    An erased execution keeps the row, the labels, the delivery and the claim it had.
    """
    row = reader.row(execution(7))
    assert row is not None
    assert (row.state, row.flow, row.labels["team"]) == ("SUCCESS", "greet", "blue")
    assert execution(7) in [found.execution for found in reader.rows(Query(labels={"team": "blue"}))[0]]
    assert reader.delivery(execution(7).replace("0VAt", "0VAd")) is not None
    claim = reader.claim("company.team/greet/webhook", "k7")
    assert claim is not None
    assert claim.execution == execution(7)


def test_minutes_and_marks_are_computed(reader: SqliteReader) -> None:
    """
    Counts per minute are by the time of entries; system entries and a person's are found from an index.
    """
    first = START + 90_000_000
    assert reader.minutes(first, first) == [
        MinuteCount(minute=first // MINUTE, state="CREATED", count=2),
        MinuteCount(minute=first // MINUTE, state="FAILED", count=1),
        MinuteCount(minute=first // MINUTE, state="SUCCESS", count=1),
    ]
    assert [entry.header.types for entry in reader.system(("AccessRecorded", "FlowRegistered"))] == [
        ("AccessRecorded",),
        ("FlowRegistered",),
    ]
    assert [entry.header.types[-1] for entry in reader.acts("user:ann")] == [
        "AccessRecorded",
        "ExecutionKilled",
        "ExecutionRestarted",
        "LabelsSet",
    ]
    assert [row.kind for row in reader.deliveries(DeliveryQuery(execution=execution(1)))[0]] == [
        "DUPLICATE",
        "ACCEPTED",
    ]


def test_a_reader_says_what_to_do(data: Path) -> None:
    """
    Whoever only reads does not change a file: J006 names the two ways to bring it up to date.
    """
    with pytest.raises(JournalUnreadable, match=r"schema version 2; .*start the server.*journal reindex"):
        SqliteReader(partition_file(data))
    assert ask(data, "ls").exit_code == 5


def test_reindex_brings_it_up_to_date_and_says_so(data: Path) -> None:
    """
    `hookledger journal reindex` needs no server; afterwards every command reads the file.
    """
    result = ask(data, "reindex")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("lists and counts computed from 19 entries in ")
    assert ask(data, "ls").exit_code == 0
    assert json.loads(ask(data, "reindex", "--json").stdout)["entries"] == 19


def test_reindex_waits_for_nobody(upgraded: Path) -> None:
    """
    While a server writes, `reindex` exits with 6 and names the process; a file instead of a directory is exit code 2.
    """
    store = SqliteStore(upgraded)
    result = ask(upgraded, "reindex")
    store.close()
    assert result.exit_code == 6
    assert result.stderr.startswith("J001: ")
    assert ask(partition_file(upgraded), "reindex").exit_code == 2
    assert ask(upgraded / "nowhere", "reindex").exit_code == 3


def test_a_rebuild_is_all_or_nothing(data: Path) -> None:
    """
    An entry that cannot be read stops the upgrade with its position, and the file stays as it was.
    """
    sql(
        partition_file(data),
        "DROP TRIGGER entry_is_never_changed",
        "UPDATE entry SET payload = x'5b' WHERE pos = 9",
    )
    with pytest.raises(JournalUnreadable, match="position 9: "):
        SqliteStore(data)
    assert sql(partition_file(data), "PRAGMA user_version") == [(2,)]
    assert sql(partition_file(data), "SELECT count(*) FROM execution") == [(8,)]


@pytest.mark.parametrize(("rule", "change"), PROJECTIONS)
def test_a_changed_projection_is_noticed_and_mended(upgraded: Path, rule: str, change: str) -> None:
    """
    Each projection is rebuilt and compared: a change breaks its rule, and `reindex` mends it.
    """
    sql(partition_file(upgraded), change)
    assert broken(upgraded) == {rule, *STRANGE}
    assert ask(upgraded, "reindex").exit_code == 0
    assert broken(upgraded) == STRANGE


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("L20", "INSERT INTO execution_minute VALUES (1, '', '', 'FAILED', 1)"),
        ("L22", "INSERT INTO system_entry VALUES ('AccessRecorded', 0)"),
        ("L22", "UPDATE counter SET value = 1"),
    ],
)
def test_what_no_entry_tells_of_is_noticed(tmp_path: Path, rule: str, change: str) -> None:
    """
    Rows too many are seen where every payload is still there.
    """
    store = SqliteStore(tmp_path)
    store.create("hookledger/test")
    store.close()
    assert "L20" not in broken(tmp_path)
    sql(partition_file(tmp_path), change)
    assert rule in broken(tmp_path)


async def test_a_stray_row_does_not_stop_the_journal(tmp_path: Path) -> None:
    """
    A row where another one belongs is replaced, not a commit that fails: projections never decide over the log.
    """
    store = SqliteStore(tmp_path)
    stray = "INSERT INTO execution VALUES (3, 'stray', 'n', 'f', 't', 1, 2, 'SUCCESS', '', '{}')"
    async with open_journal(store, clock=FixedClock()) as journal:
        await register(journal).durable()
        sql(partition_file(tmp_path), stray, "INSERT INTO execution_label VALUES ('team', 'red', 1, 3)")
        await append(journal, EXECUTION, golden()).durable()
        row = await journal.ask(lambda reader: reader.row(EXECUTION))
        assert row is not None
        assert await journal.ask(lambda reader: reader.row("stray")) is None
    store.close()
    assert broken(tmp_path) == {"L19"}


def test_a_later_file_is_refused(upgraded: Path) -> None:
    """
    A file of a later version is refused by writers and readers alike, and nothing is rebuilt.
    """
    sql(partition_file(upgraded), f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    for opened in (lambda: SqliteStore(upgraded), lambda: SqliteReader(partition_file(upgraded))):
        with pytest.raises(
            JournalUnreadable, match=rf"version {SCHEMA_VERSION + 1}; this program reads {SCHEMA_VERSION}$"
        ):
            opened()
