"""What a process loads: that which only one trigger, function or command uses is loaded when it is used."""

import subprocess
import sys

import pytest

from .processes import environment

USED_SELDOM = (
    "babel", "cronsim", "cryptography", "holidays", "http_message_signatures", "http_sf", "httpx", "jsonschema", "jwt",
)  # fmt: skip
SERVER = USED_SELDOM
ENGINE = (*USED_SELDOM, "asyncio", "click", "flask", "h11", "h2", "hypercorn", "quart", "werkzeug", "wsproto")


def loaded(statement: str) -> set[str]:
    """The top-level modules of a fresh process after a statement."""
    program = f"{statement}\nimport sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        timeout=60,
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import hookledger.api.serve", SERVER),
        ("from hookledger.actors import Engine", ENGINE),
        ("from hookledger.runtime.tasks.registry import installed; installed()", ENGINE),
    ],
    ids=["the server", "an embedded engine", "every task type"],
)
def test_what_is_used_seldom_is_loaded_when_used(statement: str, absent: tuple[str, ...]) -> None:
    """
    A server or an engine without such triggers and tasks carries none of these libraries in memory.
    """
    assert loaded(statement).isdisjoint(absent), loaded(statement) & set(absent)
