"""`hookledger flow render`, `flow schema` and `flow validate` as a person types them."""

import json
from pathlib import Path

import trio
from click.testing import CliRunner, Result

from hookledger.actors import Engine
from hookledger.api.cli import main

GREET = """id: greet
namespace: company.team
tasks:
  - id: hello
    type: io.kestra.plugin.core.debug.Return
    format: "Hello {{ trigger.name }}!"
"""


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, list(arguments))


def recorded(data: Path) -> str:
    """Run the flow once in a data directory and return the execution's id."""

    async def once() -> str:
        async with Engine.open(data) as engine:
            await engine.register(GREET)
            execution = await engine.trigger("company.team", "greet", variables={"name": "Alice"})
            await execution.finished()
            return execution.id

    return trio.run(once)


def test_an_expression_is_tried_against_a_file(tmp_path: Path) -> None:
    """
    `--vars` takes YAML or JSON and prints the rendered text.
    """
    file = tmp_path / "vars.yaml"
    file.write_text("name: bob\n")
    assert run("flow", "render", "Hi {{ name | upper }}", "--vars", str(file)).output == "Hi BOB\n"


def test_an_expression_is_tried_against_an_execution(tmp_path: Path) -> None:
    """
    `--execution` renders with what a recorded execution knew, `--at` with what it knew then.
    """
    execution, data = recorded(tmp_path), ("--data", str(tmp_path))
    shown = run("flow", "render", "{{ outputs.hello.value }}", "--execution", execution[:15], *data)
    assert shown.output == "Hello Alice!\n"
    early = run(
        "flow",
        "render",
        "{{ outputs.hello.value ?? 'nothing yet' }}",
        "--execution",
        execution,
        "--at",
        "1",
        *data,
    )
    assert early.output == "nothing yet\n"


def test_what_cannot_be_rendered_is_one_clear_line(tmp_path: Path) -> None:
    """
    An error names the missing value and leaves with exit code 1, without a traceback.
    """
    result = run("flow", "render", "{{ nobody }}")
    assert result.exit_code == 1
    assert "`nobody`" in result.output
    assert len(result.output.splitlines()) == 1


def test_the_schema_is_printed() -> None:
    """
    `flow schema` prints JSON that says it is JSON Schema 2020-12.
    """
    printed = json.loads(run("flow", "schema").output)
    assert printed["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_validate_names_every_problem_with_its_place(tmp_path: Path) -> None:
    """
    A broken file is reported with file, line, column and reason, all problems at once; a good one beside it is valid.
    """
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GREET)
    bad.write_text(
        GREET.replace("format:", "fromat:").replace("debug.Return", "debug.Retrun") + "labls: {}\n"
    )
    result = run("flow", "validate", str(good), str(bad))
    assert result.exit_code == 1
    assert f"{good}: valid, company.team/greet" in result.output
    assert f"{bad}:5:11: tasks[0].type: unknown task type" in result.output
    assert f"{bad}:7:1: labls: unknown property `labls`; did you mean `labels`?" in result.output
