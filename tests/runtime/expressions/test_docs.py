"""The page on the language is executed: every example has the result it shows."""

import json
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hookledger.runtime.expressions import Ambient, ExpressionError, Ports, review
from hookledger.runtime.expressions import compile as compile_template
from hookledger.runtime.expressions.language.grammar import PRECEDENCE
from hookledger.runtime.expressions.language.parser import TAGS
from hookledger.runtime.expressions.library import FILTERS, FUNCTIONS, TESTS, Table

PATH = Path(__file__).resolve().parents[3] / "docs" / "expressions.md"
PAGE = PATH.read_text() if PATH.exists() else "```json\n{}```"
pytestmark = pytest.mark.skipif(not PATH.exists(), reason="the tests stand alone, without the documentation")
VARIABLES: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])
KV = {"limit": 5}
SECRETS = {"API_KEY": "s3cret", "DB": '{"user": "ada"}'}
OTHERS: dict[str, Any] = {
    "read": "hello",
    "fileURI": "nsfile:///a.txt",
    "fileSize": 5,
    "fileExists": True,
    "isFileEmpty": False,
    "errorLogs": [{"taskId": "send", "message": "refused"}],
    "env": "prod",
    "appLink": "https://example.org/apps/1",
    "subflow": {"total": 3},
    "http": {"ok": True},
}


def answer(value: Any) -> Callable[..., Any]:
    """A port that always answers the same."""
    return lambda *_arguments: value


def ambient() -> Ambient:
    """The fixed clock, the fixed source of randomness and the made-up ports the page speaks of."""
    return Ambient(
        Ports(
            clock=lambda: datetime(2031, 7, 4, 9, 5, 3, 120000, tzinfo=UTC),
            random=random.Random(1),
            secret=lambda name, _namespace: SECRETS[name],
            kv=lambda key, _namespace: KV[key],
            others={name: answer(value) for name, value in OTHERS.items()},
        )
    )


def plain(cell: str) -> str:
    """What a cell of a table says."""
    cell = cell.strip().replace("\\|", "|").replace("⏎", "\n")
    if cell == "(nothing)":
        return ""
    if cell.startswith("`` "):
        return cell[3:-3]
    return cell[1:-1] if cell.startswith("`") else cell


def rows() -> list[list[str]]:
    """The rows of all tables of examples."""
    found = [re.split(r"(?<!\\)\|", line)[1:-1] for line in PAGE.splitlines() if line.startswith("| ")]
    return [[plain(cell) for cell in row] for row in found if len(row) == 4 and row[0].strip() != "name"]


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row[2])[:50])
def test_an_example_has_the_result_it_shows(row: list[str]) -> None:
    """
    Rendering the example with the page's variables gives the result in the next column.
    """
    _, _, example, result = row
    try:
        text = compile_template(example).render(VARIABLES, ambient())
    except ExpressionError as error:
        text = f"error {error.code}"
    assert text == result


@pytest.mark.parametrize("page", sorted(PATH.parent.rglob("*.md")), ids=lambda path: path.name)
def test_no_example_has_two_readings(page: Path) -> None:
    """
    Where Kestra 1.3 and 2.0 would read an expression of the documents differently, it has parentheses.
    """
    text = page.read_text("utf-8").replace("\\|", "|").replace("{{ n ?? 1 * 2 }}", "")
    for template in re.findall(r"\{\{.*?\}\}|\{%.*?%\}", text):
        told = [warning.message for warning in review(template).warnings]
        assert not any("read" in one for one in told), template


def section(title: str) -> str:
    """The part of the page under a heading."""
    return re.split(r"^## ", PAGE.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize(
    ("title", "table"), [("Filters", FILTERS), ("Functions", FUNCTIONS), ("Tests", TESTS)]
)
def test_everything_that_exists_is_on_the_page(title: str, table: Table) -> None:
    """
    Every filter, function and test has a row, with the names of its arguments in their order.
    """
    text = section(title)
    for name, entry in table.items():
        names = ", ".join(one.name for one in entry.parameters) or ("…" if entry.variadic else "")
        always = title == "Functions"
        assert f"`{name}({names})`" in text if names or always else f"`{name}`" in text


def test_every_operator_and_tag_is_on_the_page() -> None:
    """
    Every operator and every tag has a row of its own, or is named by the row of its twin.
    """
    for operator in PRECEDENCE:
        assert f"`{operator.replace('|', chr(92) + '|')}`" in section("Operators"), operator
    for tag in TAGS:
        assert f"`{tag}`" in section("Tags"), tag


@pytest.mark.parametrize("source", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_a_program_on_the_page_runs(source: str) -> None:
    """
    The fenced example runs as it stands; its assertions hold.
    """
    exec(source, {})
