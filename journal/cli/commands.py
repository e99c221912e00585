"""The commands of `hookledger journal`."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

import click
import msgspec

from hookledger.journal.cli.reading import (
    UNREADABLE,
    VIOLATED,
    JournalFile,
    json_option,
    located,
    location,
    opened,
    reading,
)
from hookledger.journal.cli.statistics import statistics
from hookledger.journal.cli.text import ProgressLine, aligned, coloured, in_colour, say
from hookledger.journal.cli.timeline import heading, timeline, why
from hookledger.journal.deliveries import DeliveryQuery, DeliveryRow, Kind
from hookledger.journal.entry import Entry
from hookledger.journal.events import AnyEvent, type_name
from hookledger.journal.index import STATES, ExecutionRow
from hookledger.journal.plain import event_fields, history_fields
from hookledger.journal.sqlite import SqliteStore, partition_file
from hookledger.journal.store import Query
from hookledger.journal.text import duration, moment, quiet, size, unknown
from hookledger.journal.verify import RULES, WARNINGS, Report, SqliteSource, Verifier, Violation
from hookledger.journal.verify.meaning import MeaningOffer
from hookledger.journal.verify.source import translated
from hookledger.journal.words import details, place

POLL_SECONDS: Final = 0.2

_NOTHING_YET: Final = (
    "no executions yet; start `hookledger serve examples/flows` and send a request to one of the webhook "
    "addresses it prints"
)


@click.group()
def journal() -> None:
    """Read and check the journal of a data directory."""


@journal.command("ls")
@click.option("--namespace", help="Only this namespace.")
@click.option("--flow", help="Only this flow.")
@click.option("--state", "states", multiple=True, help="Only this state; may be given more than once.")
@click.option("--limit", type=click.IntRange(min=1), default=25, show_default=True)
@json_option
@reading
def ls(
    reader: JournalFile,
    namespace: str | None,
    flow: str | None,
    states: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """List executions, newest first."""
    wanted = _known("state", "--state", states, STATES)
    rows, total = reader.rows(Query(namespace=namespace, flow=flow, states=wanted, limit=limit))
    damage = {row.execution: reader.damage(row.execution) for row in rows if not row.ended}
    if as_json:
        _print_json({"executions": [_row_fields(row, damage) for row in rows], "total": total})
    elif not rows:
        filtered = namespace or flow or states
        say("no execution matches" if filtered else _NOTHING_YET)
    else:
        _table(rows)
        say(f"{len(rows)} of {total}")
        for sentence in filter(None, damage.values()):
            say(_quarantined(sentence))


@journal.command("show")
@click.argument("execution")
@json_option
@reading
def show(reader: JournalFile, execution: str, as_json: bool) -> None:
    """Show what happened in an execution. A unique beginning of its id is enough."""
    execution, entries = reader.history(execution)
    damage = reader.damage(execution)
    if damage:
        entries = [_legible(entry) for entry in entries]
    events = [event for entry in entries for event in entry.events()]
    if as_json:
        _print_json(history_fields(execution, entries) | ({"damage": damage} if damage else {}))
        return
    row = reader.row(execution)
    for line in (*heading(execution, row, entries), "", *timeline(entries)):
        say(line)
    if row is not None and (reason := why(events)):
        say()
        say(reason)
    if damage:
        say()
        say(_quarantined(damage) if row is not None and not row.ended else damage)


@journal.command("logs")
@click.argument("execution")
@json_option
@reading
def logs(reader: JournalFile, execution: str, as_json: bool) -> None:
    """Print the log lines of an execution's tasks."""
    lines = reader.logs(reader.find(execution))
    if as_json:
        for line in lines:
            _print_json_line(msgspec.to_builtins(line))
        return
    if not lines:
        say("no log lines; `hookledger journal show` tells what happened")
        return
    for cells in aligned([(moment(line.at), line.level, line.path, line.message) for line in lines]):
        say(cells)


@journal.command("deliveries")
@click.option("--namespace", help="Only this namespace.")
@click.option("--flow", help="Only this flow.")
@click.option("--trigger", help="Only this trigger.")
@click.option(
    "--kind", "kinds", multiple=True, help="accepted, rejected, handshake or duplicate; repeatable."
)
@click.option("--limit", type=click.IntRange(min=1), default=25, show_default=True)
@json_option
@reading
def deliveries(
    reader: JournalFile,
    namespace: str | None,
    flow: str | None,
    trigger: str | None,
    kinds: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """List requests to webhooks, newest first: what became of each, and why it was refused."""
    wanted = _known("kind", "--kind", kinds, get_args(Kind))
    query = DeliveryQuery(namespace=namespace, flow=flow, trigger=trigger, kinds=wanted, limit=limit)
    rows, total = reader.deliveries(query)
    if as_json:
        _print_json({"deliveries": [msgspec.to_builtins(row) for row in rows], "total": total})
    elif not rows:
        say("no delivery matches")
    else:
        for line in aligned([_DELIVERY_HEAD, *map(_delivery_cells, rows)], paint=1):
            say(line)
        say(f"{len(rows)} of {total}")


def _known(what: str, option: str, given: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    """Words as they are kept.

    Raises:
        click.BadParameter: One of them is none.
    """
    for word in given:
        if word.upper() not in known:
            raise click.BadParameter(unknown(what, word, known), param_hint=option)
    return tuple(word.upper() for word in given)


_DELIVERY_HEAD: Final = ("DELIVERY", "KIND", "AT (UTC)", "TRIGGER", "FROM", "BECAME")


def _delivery_cells(row: DeliveryRow) -> tuple[str, ...]:
    place = "/".join(part for part in (row.namespace, row.flow, row.trigger) if part) or "-"
    more = f" (and {row.suppressed} more like it)" if row.suppressed else ""
    became = (
        f"{row.status} {row.reason}{more}" if row.status else " ".join((row.execution, row.reason)).strip()
    )
    return row.delivery, row.kind, moment(row.at), place, row.remote, became


@journal.command("tail")
@click.option("-f", "--follow", is_flag=True, help="Wait for more; end with Ctrl-C.")
@click.option("-n", "count", type=click.IntRange(min=0), default=20, show_default=True, help="Newest events.")
@json_option
@located
def tail(data: Path, follow: bool, count: int, as_json: bool) -> None:
    """Print the newest events of the whole journal."""
    with opened(data) as reader:
        end = reader.end()
        newest = _last_events(reader, end, count)
        _print_events(newest, as_json)
        while follow:
            time.sleep(POLL_SECONDS)
            entries = list(reader.scan(end))
            _print_events([(entry, event) for entry in entries for event in entry.events()], as_json)
            end += len(entries)


@journal.command("stats")
@json_option
@reading
def stats(reader: JournalFile, as_json: bool) -> None:
    """Count what is in the journal."""
    found = statistics(reader)
    if as_json:
        _print_json(msgspec.to_builtins(found))
        return
    first, last = (f"{moment(at)} UTC" if at else "-" for at in (found.first, found.last))
    counted = (
        *(("", name, str(number)) for name, number in found.events_by_type.items()),
        *(("", name, str(number)) for name, number in found.executions_by_state.items()),
    )
    lines = [
        ("log", found.log, found.origin),
        ("entries", str(found.entries), f"{size(found.bytes)} on disk"),
        ("time", first, last),
        ("epochs", str(found.epochs), ""),
        ("events", str(sum(found.events_by_type.values())), ""),
        *counted[: len(found.events_by_type)],
        ("executions", str(sum(found.executions_by_state.values())), ""),
        *counted[len(found.events_by_type) :],
    ]
    for line in aligned(lines):
        say(line)


@journal.command("verify")
@click.argument("execution", required=False)
@json_option
@located
def verify_command(data: Path, execution: str | None, as_json: bool) -> None:
    """Check every rule of structure, life cycle and meaning; exit code 0 only if all hold.

    With EXECUTION only that one and the system stream are checked.
    """
    began = time.monotonic_ns()
    offer = click.get_current_context().find_object(MeaningOffer)
    if execution is not None:
        with opened(data) as reader:
            execution = reader.find(execution)
    source = SqliteSource(location(data), files=data.is_dir())
    line = ProgressLine("entries checked")
    try:
        total = source.count() if execution is None else 0
        verifier = Verifier(
            source,
            execution=execution,
            meaning=offer.make() if offer is not None else None,
            progress=(lambda done: line(done, total)) if total else None,
        )
        for violation in verifier.run():
            verifier.report.add(violation)
            line.clear()
            if not as_json:
                say(_violation_line(violation))
    finally:
        line.clear()
        source.close()
    report, spent = verifier.report, (time.monotonic_ns() - began) // 1000
    if as_json:
        _print_json({"ok": report.ok, "duration": spent, **msgspec.to_builtins(report)})
    else:
        _summary(report, spent)
    if not report.ok:
        raise SystemExit(UNREADABLE if report.damaged else VIOLATED)


@journal.command("reindex")
@json_option
@located
def reindex(data: Path, as_json: bool) -> None:
    """Compute lists and counts anew from the entries. The server must not run.

    Brings a data directory of an earlier version up to date, and mends what `verify` reports as L14 or L18 to L22.
    """
    location(data)
    if data.is_file():
        raise click.UsageError(
            f"{data} is a file; name its directory: the copy is written to and locked there"
        )
    began = time.monotonic_ns()
    line = ProgressLine("entries read")
    with translated(partition_file(data)):
        store = SqliteStore(data, mend=True, progress=line)
        try:
            entries = store.reindex()
        finally:
            line.clear()
            store.close()
    spent = (time.monotonic_ns() - began) // 1000
    if as_json:
        _print_json({"entries": entries, "duration": spent})
    else:
        say(f"lists and counts computed from {entries} entries in {duration(spent)}")


def _summary(report: Report, spent: int) -> None:
    say(
        f"checked {report.entries} entries, {report.events} events, {report.executions} executions, "
        f"{report.erased} erased payloads, last position {report.last_position}, in {duration(spent)}"
    )
    for reason, count in report.unjudged.items():
        say(f"not judged: {count} {reason}")
    for execution in report.damaged_executions:
        say(_quarantined(f"execution {execution} is damaged; a backup has its entries whole"))
    found = len(report.violations) + report.suppressed
    if found:
        say(in_colour(f"{found} VIOLATIONS", "red"))
    elif warned := len(report.warnings):
        say(in_colour(f"OK, with {warned} WARNING{'S' * (warned > 1)}", "yellow"))
    else:
        say(in_colour("OK", "green"))


def _violation_line(violation: Violation) -> str:
    where = [violation.execution or "journal"]
    if violation.position is not None:
        where.append(f"position {violation.position}")
    if violation.sequence is not None:
        where.append(f"event {violation.sequence}")
    return f"{violation.rule}  {', '.join(where)}: {violation.message}  [rule: {(RULES | WARNINGS)[violation.rule]}]"


def _quarantined(sentence: str) -> str:
    """What becomes of a damaged execution."""
    return f"{sentence}; while it is open a server keeps it in quarantine, and goes on with all others"


def _row_fields(row: ExecutionRow, damage: Mapping[str, str]) -> dict[str, Any]:
    said = damage.get(row.execution)
    return msgspec.structs.asdict(row) | ({"damage": said} if said else {})


def _legible(entry: Entry) -> Entry:
    """What cannot be read is shown as what is gone: by its header."""
    try:
        entry.events()
    except msgspec.DecodeError:
        return msgspec.structs.replace(entry, payload=None)
    return entry


def _table(rows: list[ExecutionRow]) -> None:
    head = ("EXECUTION", "FLOW", "STATE", "STARTED (UTC)", "DURATION", "EVENTS")
    body = [
        (
            row.execution,
            f"{row.namespace}/{row.flow}",
            row.state,
            moment(row.started),
            duration(row.duration) if row.ended else "open",
            str(row.events),
        )
        for row in rows
    ]
    for line in aligned([head, *body], paint=2):
        say(line)


def _last_events(reader: JournalFile, end: int, count: int) -> list[tuple[Entry, AnyEvent]]:
    """The newest events, found from the end backwards: every entry has at least one, unless it was erased."""
    if not count:
        return []
    found = [(entry, event) for entry in reader.scan(max(0, end - count)) for event in entry.events()]
    return found[-count:]


def _print_events(events: list[tuple[Entry, AnyEvent]], as_json: bool) -> None:
    for entry, event in events:
        header = entry.header
        if as_json:
            _print_json_line({"position": header.pos, "execution": header.exec, **event_fields(event)})
        else:
            cells = (
                moment(event.at),
                header.exec.ljust(22),
                f"{event.sequence:>3}",
                type_name(event).ljust(16),
                place(event),
                details(event, coloured),
            )
            say("  ".join(cell for cell in cells if cell))


def _print_json(value: Any) -> None:
    say(quiet(msgspec.json.format(msgspec.json.encode(value), indent=2).decode()), lines=True)


def _print_json_line(value: Any) -> None:
    say(quiet(msgspec.json.encode(value).decode()))
