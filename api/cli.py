"""The `hookledger` command. Everything heavy is imported by the command that needs it."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from hookledger.api.identity.commands import token, user
from hookledger.api.webhook.commands import webhook
from hookledger.journal.cli import journal
from hookledger.journal.cli.reading import JournalFile, reading
from hookledger.journal.cli.text import say
from hookledger.journal.errors import JournalError, JournalPoisoned
from hookledger.journal.text import escaped
from hookledger.journal.verify.meaning import Meaning, MeaningOffer


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hookledger", prog_name="hookledger")
@click.pass_context
def main(context: click.Context) -> None:
    """Runs YAML flows when a webhook arrives and keeps a journal an auditor can believe."""
    context.obj = MeaningOffer(_meaning)


def _meaning() -> Meaning:
    """What `journal verify` needs to know of flows."""
    from hookledger.actors.meaning import FlowMeaning

    return FlowMeaning()


main.add_command(journal)
main.add_command(webhook)
main.add_command(token)
main.add_command(user)


@main.command()
@click.argument("flows", type=click.Path(file_okay=False, exists=True), required=False)
@click.option("--data", help="Data directory. [default: ./data]")
@click.option("--host", help="Address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=int, help="Port to listen on. [default: 8080]")
@click.option(
    "--config", "config_file", type=click.Path(dir_okay=False, path_type=Path), help="Settings file."
)
def serve(
    flows: str | None, data: str | None, host: str | None, port: int | None, config_file: Path | None
) -> None:
    """Serve the flows of a directory."""
    from hookledger.api.serve import run

    config = _config(config_file, {"flows": flows, "data": data, "server.host": host, "server.port": port})
    try:
        code = run(config)
    except Exception as error:
        if (why := _plain(error)) is None:
            raise
        raise _fail(why) from None
    sys.exit(code)


def _plain(error: BaseException) -> str | None:
    """What stopped the server, for its operator, where it is nothing that we did not expect."""
    from hookledger.api.config import ConfigInvalid
    from hookledger.api.serve import CannotListen

    if isinstance(error, BaseExceptionGroup):
        return next((why for one in error.exceptions if (why := _plain(one)) is not None), None)
    if isinstance(error, JournalPoisoned):
        return ""  # the log has it already
    return str(error) if isinstance(error, JournalError | ConfigInvalid | CannotListen) else None


@main.group()
def config() -> None:
    """Look at the settings."""


@config.command("show")
@click.option(
    "--config", "config_file", type=click.Path(dir_okay=False, path_type=Path), help="Settings file."
)
def config_show(config_file: Path | None) -> None:
    """Print the settings that apply, secrets masked."""
    import yaml

    from hookledger.api.config import masked

    say(yaml.safe_dump(masked(_config(config_file, {})), sort_keys=False).rstrip(), lines=True)


@main.group()
def flow() -> None:
    """Check flows."""


@flow.command("validate")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def flow_validate(files: tuple[Path, ...]) -> None:
    """Check flow files; exit code 1 when one of them has a problem."""
    from hookledger.runtime.flow.parse import FlowInvalid, parse_flow

    broken = 0
    for path in files:
        try:
            parsed = parse_flow(path.read_text(encoding="utf-8"), file=str(path))
        except FlowInvalid as error:
            broken += 1
            for problem in error.problems:
                say(str(problem), err=True)
        except (OSError, UnicodeDecodeError) as error:
            broken += 1
            say(f"{path}: {error}", err=True)
        else:
            for warning in parsed.warnings:
                say(f"{warning} (warning)")
            say(f"{path}: valid, {parsed.name}")
    sys.exit(1 if broken else 0)


@flow.command("schema")
def flow_schema() -> None:
    """Print a JSON Schema of flows, for editors."""
    from hookledger.runtime.flow.schema import flow_schema as schema
    from hookledger.runtime.tasks.registry import installed

    say(json.dumps(schema(installed()), indent=2), lines=True)


@flow.command("render")
@click.argument("expression")
@click.option(
    "--vars",
    "variables",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="YAML or JSON file with the variables.",
)
@click.option("--execution", help="Use what this recorded execution knew.")
@click.option("--at", type=click.IntRange(min=0), help="... after the event with this sequence number.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("data"),
    envvar="HOOKLEDGER_DATA",
    show_default="./data",
    help="Data directory.",
)
def flow_render(
    expression: str, variables: Path | None, execution: str | None, at: int | None, data: Path
) -> None:
    """Try an expression against data or against a recorded execution. Secrets are shown masked."""
    from hookledger.actors.ports import Ports
    from hookledger.api.rendering import RenderingFailed, rendered_for, rendered_with
    from hookledger.journal.cli.reading import opened
    from hookledger.runtime.expressions import ExpressionError
    from hookledger.runtime.flow.source import SourceInvalid

    if variables is not None and execution is not None:
        raise click.UsageError("give either --vars or --execution")
    try:
        if execution is None:
            say(rendered_with(expression, variables, Ports()), lines=True)
        else:
            with opened(data) as reader:
                say(rendered_for(expression, reader, reader.find(execution), at, Ports()), lines=True)
    except (ExpressionError, RenderingFailed, SourceInvalid, JournalError) as error:
        raise _fail(str(error)) from None


@journal.command("replay")
@click.argument("execution")
@click.option("--at", type=click.IntRange(min=0), help="Stop after the event with this sequence number.")
@reading
def journal_replay(reader: JournalFile, execution: str, at: int | None) -> None:
    """Rebuild an execution's state by folding its events, and print it."""
    import msgspec

    from hookledger.actors.origins import before, events_before
    from hookledger.api.replay import flow_in, replayed
    from hookledger.journal.text import quiet

    execution_id, entries = reader.history(execution)
    begun = entries[0].events()
    prefix, kept = before(reader.entries, begun), events_before(reader.entries, begun)
    state = msgspec.to_builtins(
        replayed(execution_id, entries, at, flow_of=flow_in(reader), prefix=prefix, kept=kept)
    )
    say(quiet(json.dumps(state, ensure_ascii=False, indent=2)), lines=True)


def _config(file: Path | None, flags: dict[str, Any]) -> Any:
    from hookledger.api.config import ConfigInvalid, load_config

    try:
        return load_config(file=file, flags=flags)
    except ConfigInvalid as error:
        raise click.UsageError(escaped(str(error))) from error


def _fail(message: str) -> SystemExit:
    if message:
        say(message, err=True)
    return SystemExit(1)
