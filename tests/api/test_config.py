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
    for name in (
        "HOOKLEDGER_PRT",
        "HOOKLEDGER_PORT_",
        "HOOKLEDGER_CONFIGURATION",
        "HOOKLEDGER_SERVICE_HOTS",
        "HOOKLEDGER_NAME",
    ):
        with pytest.raises(ConfigInvalid, match=rf"unknown variable {name}; (did you mean|known here)"):
            load_config(environment={name: "1"})
    with pytest.raises(ConfigInvalid, match=r"HOOKLEDGER_PRT; did you mean `HOOKLEDGER_PORT`"):
        load_config(environment={"HOOKLEDGER_PRT": "1"})
    load_config(environment={"HOOKLEDGER_SECRET_ANY": "1", "HOOKLEDGER_TOKEN": "x"})


def test_what_kubernetes_sets_for_a_service_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """
    Variables of a service called hookledger, or hookledger-web, are none of ours: one line names them. A port of one's
    own still counts, and one that is no number is refused.
    """
    link = "tcp://10.0.0.1:8080"
    environment = {
        "HOOKLEDGER_SERVICE_HOST": "10.0.0.1",
        "HOOKLEDGER_SERVICE_PORT": "8080",
        "HOOKLEDGER_SERVICE_PORT_HTTP": "8080",
        "HOOKLEDGER_PORT": link,
        "HOOKLEDGER_PORT_8080_TCP": link,
        "HOOKLEDGER_PORT_8080_TCP_ADDR": "10.0.0.1",
        "HOOKLEDGER_WEB_SERVICE_HOST": "10.0.0.2",
        "HOOKLEDGER_WEB_SERVICE_PORT_HTTP": "80",
        "HOOKLEDGER_WEB_PORT": link,
        "HOOKLEDGER_WEB_PORT_80_TCP_PROTO": "tcp",
        "HOOKLEDGER_HOST": "0.0.0.0",
    }
    config = load_config(environment=environment)
    assert (config.server.host, config.server.port) == ("0.0.0.0", 8080)
    (line,) = [record.getMessage() for record in caplog.records]
    assert all((name in line) == (name != "HOOKLEDGER_HOST") for name in environment)
    assert load_config(environment={"HOOKLEDGER_PORT": "9"}).server.port == 9
    with pytest.raises(ConfigInvalid, match=r"^HOOKLEDGER_PORT: "):
        load_config(environment={"HOOKLEDGER_PORT": "http://x"})


def test_a_wrong_setting_names_where_it_was_set(tmp_path: Path) -> None:
    """
    The file, with its path, or the variable.
    """
    file = tmp_path / "mine.yaml"
    for text in (
        "server:\n  prot: 1\n",
        "server:\n  port: 70000\n",
        "webhook:\n  waitLimit: soon\n",
        "server:\n  trustedProxies: [x]\n",
        "auth:\n  users: [{name: a, role: king, password: p}]\n",
    ):
        file.write_text(text)
        with pytest.raises(ConfigInvalid, match=f"^{file}: "):
            load_config(file=file, environment={})
    file.write_text("data: x\n")
    with pytest.raises(ConfigInvalid, match=r"^HOOKLEDGER_WAIT_LIMIT: webhook\.waitLimit: "):
        load_config(file=file, environment={"HOOKLEDGER_WAIT_LIMIT": "soon"})


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
