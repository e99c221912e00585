"""The page on signatures: complete, and every example loads."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from hookledger.runtime.triggers.webhook.signatures import PRESETS, parse_signature

PAGE = next(
    parent / "docs" / "webhooks" / "signatures.md"
    for parent in Path(__file__).resolve().parents
    if (parent / "pyproject.toml").is_file()
).read_text(encoding="utf-8")
BLOCKS = [part.split("```", 1)[0] for part in PAGE.split("```yaml\n")[1:]]


def signature_of(block: str) -> Any:
    """Return the `signature:` mapping of an example, whole flow or fragment."""
    loaded = yaml.safe_load(textwrap.dedent(block))
    return (loaded["triggers"][0] if "triggers" in loaded else loaded)["signature"]


@pytest.mark.parametrize("block", BLOCKS)
def test_examples_load(block: str) -> None:
    """
    Every example of the page is accepted as it stands.
    """
    assert parse_signature(signature_of(block)).problems == ()


def test_every_preset_is_on_the_page() -> None:
    """
    A preset without a row does not exist for an author.
    """
    assert [preset for preset in PRESETS if f"| `{preset}` |" not in PAGE] == []
