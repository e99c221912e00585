"""Settings: file, environment and flags, in rising order."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hookledger.api import config as module
from hookledger.api.cli import main
from hookledger.api.config import ConfigInvalid, load_config

DOCUMENT = Path(__file__).parents[2] / "docs/configuration.md"


def test_the_later_source_wins(tmp_path: Path) -> None:
    """
    Flags win over the environment, the environment over the file, the file over the defaults.
    """
    file = tmp_path / "hookledger.yaml"
    file.write_text("data: from-file\nserver:\n  port: 1\n  host: file\n  publicUrl: https://x\n")
    config = load_config(
        file=file,
        environment={"HOOKLEDGER_PORT": "2", "HOOKLEDGER_HOST": "environment", "PATH": "/bin"},
        flags={"server.port": 3, "server.host": None},
    )
    assert (config.data, config.server.port, config.server.host) == ("from-file", 3, "environment")
    assert (config.server.public_url, config.webhook.wait_limit) == ("https://x", "PT1H")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server:\n  prot: 1\n", "prot"),
        ("server:\n  port: 70000\n", "server.port"),
        ("webhook:\n  waitLimit: soon\n", "webhook.waitLimit"),
        ("- a\n", "name: value"),
        ("server: [\n", "hookledger.yaml:"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, text: str, expected: str) -> None:
    """
    An unknown name, a value out of range and broken YAML are refused with the place.
    """
    file = tmp_path / "hookledger.yaml"
    file.write_text(text)
    with pytest.raises(ConfigInvalid, match=expected.replace(".", r"\.")):
        load_config(file=file, environment={})


def test_an_unknown_variable_is_refused() -> None:
    """
    A misspelt variable would silently do nothing, so it is an error with a suggestion; secrets are left alone.
    """
    with pytest.raises(ConfigInvalid, match=r"HOOKLEDGER_PRT.*PORT"):
        load_config(environment={"HOOKLEDGER_PRT": "1"})
    load_config(environment={"HOOKLEDGER_SECRET_ANY": "1"})


def test_show_masks_the_password(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    `hookledger config show` prints what applies, never the password.
    """
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["config", "show"], env={"HOOKLEDGER_PASSWORD": "hidden-thing"})
    assert result.exit_code == 0
    assert "hidden-thing" not in result.output
    assert "******" in result.output
    assert "waitLimit: PT1H" in result.output


def test_every_setting_and_variable_is_documented() -> None:
    """
    docs/configuration.md names every setting with its default and every environment variable.
    """
    text = DOCUMENT.read_text()
    for dotted, default in _settings(module.masked(load_config(environment={}, file=None))):
        assert f"| `{dotted}` | `{default}` |" in text, dotted
    for name in module._VARIABLES:
        assert f"`HOOKLEDGER_{name}`" in text, name


def _settings(values: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _settings(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            shown = str(value).lower() if isinstance(value, bool) else str(value) or '""'
            found.append((prefix + name, shown))
    return found
