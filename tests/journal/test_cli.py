"""The journal's command line: what it prints, its JSON shapes and its exit codes."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from hookledger.journal import errors
from hookledger.journal.cli import journal as group
from hookledger.journal.cli.text import aligned
from hookledger.journal.entry import leaf_hash
from hookledger.journal.events import ExecutionFailed, Failure, TaskReturned, TaskStarted
from hookledger.journal.journal import open_journal
from hookledger.journal.sqlite import SqliteStore, partition_file
from hookledger.journal.store import LogLine
from hookledger.journal.text import body, duration, moment, shorten, size
from hookledger.journal.verify import RULES

from .builders import (
    EXECUTION,
    START,
    CountingEntropy,
    FixedClock,
    append,
    golden,
    made,
    numbered,
    received,
    register,
    sql,
    tamper,
    with_lines,
)

OTHER = "0VAtR4000004q0000000002"


def ask(data: Path, *arguments: str) -> Result:
    command, *rest = arguments
    return CliRunner().invoke(group, [command, "--data", str(data), *rest])


def as_json(data: Path, *arguments: str) -> Any:
    result = ask(data, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


async def write(directory: Path) -> None:
    store = SqliteStore(directory)
    try:
        async with open_journal(store, clock=FixedClock(START + 5000), entropy=CountingEntropy()) as journal:
            register(journal)
            line = LogLine(
                execution=EXECUTION, path="log", attempt=1, number=0, at=START, level="INFO", message="hi"
            )
            append(journal, EXECUTION, with_lines(golden(), (line,)), logs=(line,))
            failed = numbered(
                received(),
                made(TaskStarted),
                made(TaskReturned, outcome="error", next="fail", error=Failure(message="no such host")),
                made(ExecutionFailed, error=Failure(message="no such host"), path="make"),
            )
            append(journal, OTHER, failed)
    finally:
        store.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    trio.run(write, tmp_path / "data")
    return tmp_path / "data"


def test_ls_lists_executions_with_their_total(data: Path) -> None:
    """
    ls shows id, flow, state, start, duration and number of events, then the total.
    """
    lines = ask(data, "ls").stdout.splitlines()
    assert lines[0].split() == ["EXECUTION", "FLOW", "STATE", "STARTED", "(UTC)", "DURATION", "EVENTS"]
    assert lines[1].split() == [
        OTHER, "company.team/greet", "FAILED", "2023-11-14", "22:13:20.000", "3", "µs", "4",
    ]  # fmt: skip
    assert lines[-1] == "2 of 2"
    assert [len(line) for line in lines[1:3]] == [len(lines[1])] * 2


def test_ls_filters(data: Path) -> None:
    """
    Namespace, flow, state (in any case) and limit narrow the list; the total counts what matches.
    """
    assert as_json(data, "ls", "--state", "failed")["total"] == 1
    assert as_json(data, "ls", "--flow", "other") == {"executions": [], "total": 0}
    page = as_json(data, "ls", "--namespace", "company.team", "--limit", "1")
    assert (len(page["executions"]), page["total"], page["executions"][0]["events"]) == (1, 2, 4)
    assert ask(data, "ls", "--flow", "other").stdout == "no execution matches\n"


async def _empty(directory: Path) -> None:
    store = SqliteStore(directory)
    async with open_journal(store):
        pass
    store.close()


def test_ls_of_an_empty_journal_says_how_to_begin(tmp_path: Path) -> None:
    """
    An empty journal is no error: ls says how to make a first execution.
    """
    trio.run(_empty, tmp_path)
    result = ask(tmp_path, "ls")
    assert result.exit_code == 0
    assert "hookledger serve" in result.stdout


def test_show_tells_the_story(data: Path) -> None:
    """
    show prints one line per event with its offset, place and values, and why it ended.
    """
    text = ask(data, "show", EXECUTION).stdout
    assert "company.team/greet revision 1" in text
    assert 'POST /hook/***?name=Alice  body {"a": 1}' in text
    assert 'value="Hello Alice!"' in text
    assert 'ended      OutputsResolved: SUCCESS  greeting="Hello Alice!"' in text
    assert (
        "ended      ExecutionFailed: task `make`  TaskFailed: no such host" in ask(data, "show", OTHER).stdout
    )


def test_show_json_has_events_and_entries(data: Path) -> None:
    """
    As JSON: `execution`, `events` in order with `sequence`, `type`, `at`, and `entries` with header and leaf.
    """
    shown = as_json(data, "show", EXECUTION)
    assert sorted(shown) == ["entries", "events", "execution"]
    assert [event["sequence"] for event in shown["events"]] == list(range(6))
    assert list(shown["events"][0])[:3] == ["sequence", "type", "at"]
    (entry,) = shown["entries"]
    canonical = json.dumps(entry["header"], sort_keys=True, separators=(",", ":")).encode()
    assert sorted(entry) == ["header", "leaf"]
    assert base64.b64decode(entry["leaf"]) == leaf_hash(canonical)


@pytest.mark.parametrize("command", ["show", "logs", "verify"])
def test_unique_prefixes_are_enough(data: Path, command: str) -> None:
    """
    A unique beginning names an execution; an ambiguous one lists the candidates, an unknown one exits with 4.
    """
    ambiguous, unknown = ask(data, command, EXECUTION[:5]), ask(data, command, "zzz")
    assert ask(data, command, EXECUTION).exit_code == 0
    assert (ambiguous.exit_code, unknown.exit_code) == (4, 4)
    assert EXECUTION in ambiguous.stderr
    assert OTHER in ambiguous.stderr
    assert unknown.stderr.startswith("J005: no execution zzz here; `hookledger journal ls`")
    assert unknown.stderr.count("\n") == 1


def test_tail_shows_the_newest_events(data: Path) -> None:
    """
    tail prints the last N events of all streams in order, the newest last.
    """
    lines = [json.loads(line) for line in ask(data, "tail", "-n", "3", "--json").stdout.splitlines()]
    assert [line["type"] for line in lines] == ["TaskReturned", "ExecutionFailed", "JournalClosed"]
    assert lines[-1]["execution"] == "system"
    assert len(ask(data, "tail", "-n", "2").stdout.splitlines()) == 2
    assert ask(data, "tail", "-n", "0").stdout == ""


def test_tail_follows(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    tail -f goes on with what is written after it began; Ctrl-C ends it with 0.
    """
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) > 1:
            raise KeyboardInterrupt
        trio.run(_empty, data)

    monkeypatch.setattr("hookledger.journal.cli.commands.time.sleep", nap)
    result = ask(data, "tail", "-f", "-n", "0", "--json")
    assert result.exit_code == 0
    types = [json.loads(line)["type"] for line in result.stdout.splitlines()]
    assert types == ["EpochStarted", "JournalClosed"]


def test_logs_prints_lines(data: Path) -> None:
    """
    logs prints time, level, task and message, and says so when there is none.
    """
    assert ask(data, "logs", EXECUTION).stdout == "2023-11-14 22:13:20.000  INFO  log  hi\n"
    assert json.loads(ask(data, "logs", EXECUTION, "--json").stdout)["message"] == "hi"
    assert ask(data, "logs", OTHER).stdout.startswith("no log lines")


def test_stats_counts(data: Path) -> None:
    """
    stats counts entries, events by type, executions by state, epochs, bytes and times.
    """
    found = as_json(data, "stats")
    assert (found["entries"], found["epochs"], found["last"]) == (6, 1, START + 5000)
    assert found["executions_by_state"] == {"FAILED": 1, "SUCCESS": 1}
    assert found["events_by_type"]["TaskStarted"] == 3
    assert found["log"] in ask(data, "stats").stdout


def test_verify_says_what_was_checked(data: Path) -> None:
    """
    verify of a healthy journal names what it looked at, prints OK and exits with 0; as JSON too.
    """
    result = ask(data, "verify")
    assert result.exit_code == 0
    checked = "checked 6 entries, 14 events, 2 executions, 0 erased payloads, last position 5, in "
    assert result.stdout.startswith(checked)
    assert result.stdout.endswith("\nOK\n")
    report = as_json(data, "verify")
    assert (report["ok"], report["violations"], report["executions"]) == (True, [], 2)
    assert as_json(data, "verify", OTHER)["executions"] == 1


def _tamper(data: Path, statement: str) -> None:
    tamper(partition_file(data), statement)


def test_verify_names_rule_execution_and_position(data: Path) -> None:
    """
    A changed payload: exit code 1, and rule, execution and position are named.
    """
    _tamper(
        data,
        "UPDATE entry SET payload = CAST(replace(CAST(payload AS TEXT), 'Alice', 'Alicf') AS BLOB) WHERE pos = 3",
    )
    result = ask(data, "verify")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"S04  {EXECUTION}, position 3: ")
    assert result.stdout.endswith("1 VIOLATIONS\n")
    (violation,) = json.loads(ask(data, "verify", "--json").stdout)["violations"]
    assert (violation["rule"], violation["execution"], violation["position"]) == ("S04", EXECUTION, 3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE entry SET payload = substr(payload, 1, 20) WHERE pos = {}", "was changed"),
        ("UPDATE entry SET payload = NULL, salt = NULL WHERE pos = {}", "is gone"),
    ],
)
def test_a_damaged_execution_is_named_and_the_rest_shown(data: Path, change: str, reason: str) -> None:
    """
    `ls` (of open ones), `show` and `verify` say that an execution is damaged and quarantined, and show what is there.
    """
    path = partition_file(data)
    (last,) = sql(path, f"SELECT max(pos) FROM entry WHERE exec = '{EXECUTION}'")[0]
    opened = f"UPDATE execution SET ended = 0 WHERE execution = '{EXECUTION}'"
    tamper(path, change.format(last), opened)
    listed, shown = ask(data, "ls"), ask(data, "show", EXECUTION)
    for result in (listed, shown):
        assert result.exit_code == 0, result.output
        (said,) = [line for line in result.stdout.splitlines() if "damaged" in line]
        assert EXECUTION in said
        assert reason in said
        assert "quarantine" in said
    assert "2 of 2" in listed.stdout
    rows = as_json(data, "ls")["executions"]
    assert [row["execution"] for row in rows if "damage" in row] == [EXECUTION]
    assert reason in as_json(data, "show", EXECUTION)["damage"]
    verified = ask(data, "verify").stdout
    assert f"execution {EXECUTION} is damaged" in verified
    assert OTHER not in [line.split()[1] for line in verified.splitlines() if "is damaged" in line]


def test_an_open_execution_without_its_entries_is_named(data: Path) -> None:
    """
    `ls` says so of one that only the index knows any more.
    """
    opened = f"UPDATE execution SET ended = 0 WHERE execution = '{EXECUTION}'"
    tamper(partition_file(data), f"DELETE FROM entry WHERE exec = '{EXECUTION}'", opened)
    (row,) = [row for row in as_json(data, "ls")["executions"] if "damage" in row]
    assert row["execution"] == EXECUTION
    assert "entry 0 is missing" in row["damage"]


def test_verify_sees_index_columns(data: Path) -> None:
    """
    Recovery asks the index's columns, so a column that lies is a violation even when the row is right.
    """
    sql(partition_file(data), "UPDATE execution SET ended = 0")
    assert {v["rule"] for v in json.loads(ask(data, "verify", "--json").stdout)["violations"]} == {"L14"}


@pytest.mark.parametrize(
    "command", [("ls",), ("show", "x"), ("logs", "x"), ("tail",), ("stats",), ("verify",)]
)
def test_no_journal_is_exit_code_3(tmp_path: Path, command: tuple[str, ...]) -> None:
    """
    Without a journal every command exits with 3 and says which directory it looked at.
    """
    result = ask(tmp_path, *command)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"J004: no journal in {tmp_path}; name the data directory with --data DIR\n"


@pytest.mark.parametrize(
    "command", [("ls",), ("show", "0"), ("logs", "0"), ("tail",), ("stats",), ("verify",)]
)
def test_garbage_is_exit_code_5(tmp_path: Path, command: tuple[str, ...]) -> None:
    """
    A file that is no journal is one line with J006 and exit code 5, never a traceback.
    """
    partition_file(tmp_path).write_bytes(b"not a database, whatever its name says" * 100)
    result = ask(tmp_path, *command)
    assert (result.exit_code, result.stderr.count("\n")) == (5, 1)
    assert result.stderr.startswith("J006: ")


@pytest.mark.parametrize("share", [1, 2, 3])
def test_a_truncated_file_is_reported(data: Path, share: int) -> None:
    """
    A file cut short gives a report or one line and exit code 5, with every command.
    """
    path = partition_file(data)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * share // 4])
    for command in (("ls",), ("show", EXECUTION), ("tail",), ("stats",), ("verify",), ("verify", "--json")):
        result = ask(data, *command)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert ask(data, "verify").exit_code == 5


def test_usage_is_exit_code_2(data: Path) -> None:
    """
    Wrong use is click's exit code 2.
    """
    assert ask(data, "ls", "--limit", "0").exit_code == 2
    assert ask(data, "show").exit_code == 2


def test_a_copied_file_can_be_named_itself(data: Path, tmp_path: Path) -> None:
    """
    `--data` also takes a partition file: an auditor works on a copy, and the environment names it as well.
    """
    copy = tmp_path / "evidence.sqlite3"
    shutil.copy(partition_file(data), copy)
    copy.chmod(0o400)
    result = CliRunner().invoke(group, ["verify"], env={"HOOKLEDGER_DATA": str(copy)})
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_import_is_light() -> None:
    """
    The journal's command line imports neither a web framework nor anything above the journal.
    """
    program = (
        "import sys, hookledger.journal.cli; "
        "print([m for m in sys.modules if m.split('.')[0] in ('quart', 'hypercorn', 'jinja2') "
        "or m.startswith(('hookledger.runtime', 'hookledger.actors', 'hookledger.api'))])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_texts_are_readable() -> None:
    """
    Durations, sizes and times carry their unit; values are one short line without control characters.
    """
    times = (870, 12_300, 999_900, 3_200_000, 250_000_000, 7_500_000_000, 273_600_000_000)
    assert [duration(time) for time in times] == [
        "870 µs", "12.3 ms", "1 s", "3.2 s", "4 min 10 s", "2 h 5 min", "3 d 4 h",
    ]  # fmt: skip
    assert [size(count) for count in (12, 2048, 3 << 20)] == ["12 B", "2.0 KiB", "3.0 MiB"]
    assert (moment(0), moment(2**53)) == ("-", "2255-06-05 23:47:34.740")
    assert shorten("a\x1b[31m\nb") == "a [31m b"
    assert shorten("x" * 999, 10) == "x" * 9 + "…"
    assert body(b"\xff\x00") == "2 bytes, ff 00"
    assert aligned([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc  d"]


DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_commands_and_rules_are_documented() -> None:
    """
    docs/cli.md has an example of every command, every rule and every exit code.
    """
    page = (DOCS / "cli.md").read_text()
    assert [name for name in group.commands if f"$ hookledger journal {name}" not in page] == []
    assert [rule for rule, says in RULES.items() if f"| {rule} | {says} |" not in page] == []


def test_error_codes_are_documented() -> None:
    """
    Each error code has a page that says cause, how to confirm and how to fix.
    """
    codes = [
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.JournalError)
    ]
    pages = [(DOCS / "errors" / f"{code}.md").read_text() for code in codes]
    assert len(codes) == 10
    assert all(f"## {part}" in page for page in pages for part in ("Cause", "How to confirm", "How to fix"))


@pytest.mark.parametrize(
    ("words", "meant"),
    [(("ls", "--state", "FALED"), "FAILED"), (("ls", "--state", "sucess"), "SUCCESS"),
     (("deliveries", "--kind", "rejectd"), "REJECTED")],
)  # fmt: skip
def test_a_word_that_does_not_exist_is_refused(data: Path, words: tuple[str, ...], meant: str) -> None:
    """
    A misspelt state or kind is a usage error with the nearest one there is; in any case it is taken.
    """
    refused = ask(data, *words)
    assert refused.exit_code == 2
    assert f"did you mean `{meant}`?" in refused.output
    assert ask(data, *words[:2], meant.lower()).exit_code == 0
