"""Commands, really run."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from hookledger.actors.processes import Lines, MachineProcesses
from hookledger.runtime.tasks.process import OUTPUT_BYTES_MAX, Commands, Script, Stream

from .context import FakeContext, failure_of, made, outputs_of


def here(**environment: str) -> FakeContext:
    return FakeContext(processes=MachineProcesses({"PATH": os.environ["PATH"], **environment}))


async def test_commands_are_off_unless_allowed() -> None:
    """
    Without the port the task fails and says which setting allows it.
    """
    failure = await failure_of(made(Commands, commands=["true"]))
    assert failure.kind == "NotAvailable"
    assert "`tasks.processes: true`" in str(failure)


async def test_commands_run_in_one_shell_and_are_logged() -> None:
    """
    Commands share a shell; standard output is logged as INFO, standard error as WARN.
    """
    context = here()
    outputs = await outputs_of(
        made(Commands, beforeCommands=["A=1"], commands=["echo $A", "echo oh >&2"]), context
    )
    assert sorted(context.lines) == [("INFO", "1"), ("WARN", "oh")]
    assert outputs == {"vars": {}, "exitCode": 0, "stdOutLineCount": 1, "stdErrLineCount": 1}


async def test_a_script_runs_in_the_interpreter_the_author_names() -> None:
    """
    `interpreter` replaces the shell; only shells get `set -e`.
    """
    context = here()
    await outputs_of(made(Script, interpreter=["python3", "-c"], script="print(6 * 7)"), context)
    assert context.lines == [("INFO", "42")]


async def test_outputs_are_printed_between_colons() -> None:
    """
    Lines `::{"outputs": {...}}::` add to `vars`, the later wins, and they are not logged; others are lines.
    """
    context = here()
    lines = [
        'echo \'::{"outputs": {"a": 1, "b": "x"}}::\'',
        'echo \'::{"outputs": {"a": [2]}}::\'',
        "echo '::{not json}::'",
        "echo '::{\"outputs\": 3}::'",
        "echo '::{\"metrics\": []}::'",
        'printf \'::{"outputs": {"deep": %s}}::\' "$(printf \'[%.0s\' $(seq 5000))"',
    ]
    outputs = await outputs_of(made(Commands, commands=lines), context)
    assert outputs["vars"] == {"a": [2], "b": "x"}
    assert [line[:17] for _, line in context.lines] == [
        "::{not json}::",
        '::{"outputs": 3}:',
        '::{"outputs": {"d',
    ]


PRINTED = """
import sys
for stream in (sys.stdout, sys.stderr):
    print('::{"logs": [{"level": "WARNING", "message": "slow"}, {"message": {"a": [1]}}]}::', file=stream)
    print('::{"logs": [{"level": "CRITICAL", "message": "gone", "more": 1}, {"level": "odd"}]}::', file=stream)
    print('::{"metrics": [{"name": "rows", "type": "counter", "value": 7, "tags": {"t": 1}}]}::', file=stream)
    print('::{"metrics": [{"name": "took", "type": "timer", "value": 0.5, "tags": null}]}::', file=stream)
    print('::{"outputs": {"%s": true}}::' % ("out" if stream is sys.stdout else "err"), file=stream, flush=True)
    print('::{"metrics": [{"name": "bad", "value": NaN}]}::', file=stream)
    print('::{"metrics": [{"name": "bad", "type": "sum", "value": 1}]}::', file=stream)
"""


async def test_logs_and_metrics_are_printed_between_colons() -> None:
    """
    On either stream `logs` are lines with their own level, `metrics` are numbers kept with the execution, and
    `outputs` outputs; what does not have their shape is an ordinary line.
    """
    context = here()
    task = made(Script, interpreter=[sys.executable, "-c"], script=PRINTED)
    outputs = await outputs_of(task, context)
    assert outputs["vars"] == {"out": True, "err": True}
    said = [("WARN", "slow"), ("INFO", '{"a":[1]}'), ("ERROR", "gone"), ("INFO", "")]
    bad = ['::{"metrics": [{"name": "bad", "value": NaN}]}::']
    bad += ['::{"metrics": [{"name": "bad", "type": "sum", "value": 1}]}::']
    raw = [(level, line) for level in ("INFO", "WARN") for line in bad]
    assert sorted(context.lines) == sorted([*said, *said, *raw])
    assert context.measured == [("rows", "counter", 7.0, {"t": "1"}), ("took", "timer", 0.5, {})] * 2


async def test_a_bad_exit_code_fails_with_the_last_words() -> None:
    """
    A non-zero exit code fails the task with the end of standard error; the outputs are kept.
    """
    commands = [
        'echo \'::{"outputs": {"a": 1}}::\'',
        "for i in 1 2 3 4 5 6 7; do echo line $i >&2; done",
        "exit 3",
    ]
    failure = await failure_of(made(Commands, commands=commands), here())
    assert failure.kind == "ExitCode"
    assert str(failure).splitlines() == ["ended with exit code 3", *(f"line {n}" for n in range(3, 8))]
    assert failure.outputs["exitCode"] == 3
    assert failure.outputs["vars"] == {"a": 1}


async def test_the_first_failing_command_ends_it_unless_told_otherwise() -> None:
    """
    `failFast` is the default; without it the last command decides.
    """
    commands = ["false", "echo on"]
    assert (await failure_of(made(Commands, commands=commands), here())).kind == "ExitCode"
    assert (await outputs_of(made(Commands, commands=commands, failFast=False), here()))["exitCode"] == 0


async def test_a_signal_is_named() -> None:
    """
    A command that a signal ended says so, with a negative exit code.
    """
    failure = await failure_of(made(Commands, commands=["kill -9 $$"]), here())
    assert str(failure) == "was ended by signal 9"
    assert failure.outputs["exitCode"] == -9


async def test_the_environment_is_clean() -> None:
    """
    A command sees PATH, LANG, a HOME of its own and the author's variables; nothing else of the server's.
    """
    context = here(SECRET_TOKEN="hush", LANG="C")
    script = "import json, os; print(json.dumps(dict(os.environ))); print(os.getcwd())"
    task = made(
        Script, interpreter=[sys.executable, "-c"], script=script, env={"N": 1, "YES": True, "NONE": None}
    )
    await outputs_of(task, context)
    seen, directory = json.loads(context.lines[0][1]), context.lines[1][1]
    seen.pop("LC_CTYPE", None)  # Python's own doing
    expected = {"PATH": os.environ["PATH"], "LANG": "C", "HOME": directory, "N": "1", "YES": "true"}
    assert seen == expected


async def test_every_attempt_has_a_fresh_directory_that_goes_away() -> None:
    """
    The working directory is empty at first, differs between attempts and is removed afterwards.
    """
    context = here()
    for _ in range(2):
        await outputs_of(made(Commands, commands=["ls", "pwd", "mkdir -p a/b", "touch a/b/c"]), context)
    first, second = (Path(line) for _, line in context.lines)
    assert first != second
    assert not first.exists()
    assert not second.exists()


@pytest.mark.parametrize("program", ["no-such-program", "/etc/passwd", "/"])
async def test_an_interpreter_that_cannot_be_started_fails(program: str) -> None:
    """
    A program that is missing or not executable fails the task with its name.
    """
    failure = await failure_of(made(Script, interpreter=[program], script=""), here())
    assert failure.kind == "CommandNotStarted"
    assert program in str(failure)


@pytest.mark.parametrize(
    "wrong",
    [{"env": {"A=B": "1"}}, {"env": {"A": "\0"}}, {"interpreter": []}, {"commands": ["\0"]}],
    ids=str,
)
async def test_properties_that_no_process_can_have_are_refused(wrong: dict[str, Any]) -> None:
    """
    NUL characters, impossible variable names and an empty interpreter fail before anything starts.
    """
    task = made(Commands, **({"commands": ["true"]} | wrong))
    assert (await failure_of(task, here())).kind == "InvalidProperty"


async def test_another_task_runner_is_refused() -> None:
    """
    `taskRunner` may name the Process runner, which is what happens anyway, and no other.
    """
    runner = {"type": "io.kestra.plugin.core.runner.Process"}
    assert (await outputs_of(made(Commands, commands=["true"], taskRunner=runner), here()))["exitCode"] == 0
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value"):
        made(
            Commands, commands=["true"], taskRunner={"type": "io.kestra.plugin.scripts.runner.docker.Docker"}
        )


class Announcing(FakeContext):
    """Says when a first line was logged."""

    def __init__(self, **ports: Any) -> None:
        super().__init__(**ports)
        self.spoke = trio.Event()

    def log(self, message: str, level: str = "INFO") -> None:
        super().log(message, level)
        self.spoke.set()


def runs(process: int) -> bool:
    """True while it runs; one that nobody has reaped yet does not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def cancelled_after_its_first_line(script: str) -> str:
    context = Announcing(processes=MachineProcesses())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made(Script, script=script).run, context)
        await context.spoke.wait()
        nursery.cancel_scope.cancel()
    return context.lines[0][1]


async def test_cancelling_ends_the_whole_group() -> None:
    """
    When the attempt is cancelled, the command and everything it started are gone before the attempt is.
    """
    child = int(await cancelled_after_its_first_line("sleep 60 & echo $!; wait"))
    with trio.fail_after(30):
        while runs(child):  # an orphan is reaped by whoever adopts it
            await trio.lowlevel.checkpoint()


async def test_a_command_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A command that ignores the first signal is killed after the grace period.
    """
    monkeypatch.setattr("hookledger.actors.processes.KILL_AFTER_SECONDS", 0.1)
    process = int(await cancelled_after_its_first_line("trap '' TERM; echo $$; while :; do sleep 60; done"))
    assert not runs(process)


async def test_what_a_command_leaves_behind_ends_with_it() -> None:
    """
    A background process that holds the output open does not keep the attempt waiting.
    """
    context = here()
    with trio.fail_after(30):
        await outputs_of(made(Script, script="sleep 60 & echo $!"), context)


async def test_a_flood_of_outputs_fails() -> None:
    """
    Printed outputs are bounded: beyond the limit the task fails instead of filling the journal.
    """
    script = f"""
line = '::{{"outputs": {{"k%d": "' + "x" * 200_000 + '"}}}}::'
for i in range({OUTPUT_BYTES_MAX // 200_000 + 1}):
    print(line % i)
"""
    failure = await failure_of(made(Script, interpreter=["python3", "-c"], script=script), here())
    assert failure.kind == "TooLarge"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_lines_do_not_depend_on_how_they_arrive(size: int) -> None:
    """
    A stream is cut into the same lines however it is split; long ones are cut with a note, bad UTF-8 replaced.
    """
    told: list[tuple[Stream, str]] = []
    lines = Lines("stdout", lambda stream, line: told.append((stream, line)), 8)
    data = "one\r\n\nünï\n0123456789\nlast".encode() + b"\xff"
    for start in range(0, len(data), size):
        lines.feed(data[start : start + size])
    lines.finish()
    assert [line for _, line in told] == ["one", "", "ünï", "01234567… (2 bytes more)", "last�"]


def test_commands_are_writes() -> None:
    """
    Nobody knows what a command did: an interrupted one waits for an operator.
    """
    assert made(Commands, commands=[]).effect_of() == "write"
