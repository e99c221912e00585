"""The documents do what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hookledger.actors import errors

from .processes import EXAMPLES, ROOT, SECONDS_MAX, environment, serving

BLOCK = re.compile(r"<!-- test(?: (\w+))? -->\n```console\n(.*?)```", re.DOTALL)


def commands(block: str) -> list[tuple[str, str]]:
    """A console block's command lines, each with the output shown below it."""
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def pattern(shown: str) -> str:
    """Shown output as a regular expression: `...` stands for anything."""
    return r"\s*".join(
        re.escape(line).replace(r"\.\.\.", ".*?").replace(r"\ ", r"\s+")
        for line in shown.strip().splitlines()
    )


def test_the_readme_is_true(tmp_path: Path) -> None:
    """
    Every console block of the README marked for it is typed into a shell, in order, and answers as shown.
    """
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    assert len(blocks) >= 3
    password = {"HOOKLEDGER_USERNAME": "admin", "HOOKLEDGER_PASSWORD": "PASSWORD"}
    with serving(EXAMPLES, tmp_path / "data", more=password) as server:
        (tmp_path / "examples").symlink_to(ROOT / "examples")
        seen: dict[str, str] = {}
        for _, block in blocks:
            for command, shown in commands(block):
                line = command.replace("http://127.0.0.1:8080", server.address)
                for name, value in seen.items():
                    line = line.replace(name, value)
                done = subprocess.run(
                    ["sh", "-c", line], capture_output=True, text=True, check=False, cwd=tmp_path,
                    timeout=SECONDS_MAX, env=environment(),
                )  # fmt: skip
                assert re.search(pattern(shown), done.stdout, re.DOTALL), (command, done.stdout, done.stderr)
                assert done.returncode == 0, command
                if found := re.search(r'"id":"(\w{22})"', done.stdout):
                    seen.setdefault("EXECUTION", found[1])


def test_the_embedding_example_runs(tmp_path: Path) -> None:
    """
    examples/embed.py prints the outputs and every step of the replay, and the README shows it as it is.
    """
    file = ROOT / "examples/embed.py"
    done = subprocess.run(
        [sys.executable, str(file), str(tmp_path / "data")],
        capture_output=True, text=True, check=True, timeout=SECONDS_MAX, env=environment(),
    )  # fmt: skip
    first, *steps = done.stdout.splitlines()
    assert first == "{'greeting': 'Hello Alice!'}"
    assert [step.split()[1] for step in steps] == [
        "TriggerReceived",
        "TaskStarted",
        "TaskReturned",
        "OutputsResolved",
    ]
    assert steps[-1].endswith("SUCCESS")


@pytest.mark.parametrize(
    "code",
    ["R000", *sorted(kind.code for kind in errors.EngineError.__subclasses__())],
)
def test_every_engine_error_has_a_page(code: str) -> None:
    """
    Each code has docs/errors/CODE.md with cause, how to confirm and how to fix.
    """
    text = (ROOT / f"docs/errors/{code}.md").read_text()
    assert text.startswith(f"# {code}: ")
    for heading in ("## Cause", "## How to confirm", "## How to fix"):
        assert heading in text


@pytest.mark.parametrize("path", sorted((ROOT / "docs/decisions").glob("0*.md")), ids=lambda path: path.stem)
def test_a_decision_says_what_it_rests_on(path: Path) -> None:
    """
    A decision record has status, context, choice, rejected alternatives, costs and a check whose files exist.
    """
    text = path.read_text()
    assert text.startswith(f"# {path.name[:4]} ")
    for name in ("Status", "Context", "Choice", "Rejected", "Costs", "Check"):
        assert re.search(rf"^{name}: ", text, re.MULTILINE), name
    for file in re.findall(r"(?:tests|benchmarks|api|actors|journal|runtime)/[\w/]+\.py", text):
        assert (ROOT / file).exists(), file


def test_links_of_the_documents_lead_somewhere() -> None:
    """
    Every relative link in README, CONTRIBUTING and docs names a file that exists.
    """
    for document in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text()):
            if "://" not in target:
                assert (document.parent / target).exists(), (document.name, target)
