"""Secrets: used by flows, never written down."""

import base64
import hashlib
from urllib.parse import quote

import pytest
from trio.testing import MockClock

from hookledger.actors import DeliveryRefused
from hookledger.journal.memory import MemoryStore
from hookledger.runtime.secret_inputs import Cipher, context_of

from .conftest import OpenEngine

VALUE = "s3cr3t/value+1"

USES = """
id: uses
namespace: company.team
tasks:
  - id: plain
    type: io.kestra.plugin.core.debug.Return
    format: "token={{ secret('TOKEN') }}; {{ secret('TOKEN') | base64encode }}; {{ secret('TOKEN') | urlencode }}"
  - id: said
    type: io.kestra.plugin.core.log.Log
    message: "using {{ secret('TOKEN') }}"
  - id: failing
    type: io.kestra.plugin.core.debug.Return
    format: "{{ fromJson(secret('TOKEN')) }}"
    allowFailure: true
outputs:
  - id: all
    type: STRING
    value: "{{ outputs.plain.value }} {{ secret('TOKEN') }}"
"""

GIVEN = """
id: given
namespace: company.team
inputs:
  - id: password
    type: SECRET
tasks:
  - id: plain
    type: io.kestra.plugin.core.debug.Return
    format: "got {{ inputs.password }}"
  - id: check
    type: io.kestra.plugin.core.flow.If
    condition: "{{ (inputs.password | sha256) == 'DIGEST' }}"
    then:
      - id: right
        type: io.kestra.plugin.core.debug.Return
        format: "right"
""".replace("DIGEST", hashlib.sha256(VALUE.encode()).hexdigest())


def written(store: MemoryStore) -> bytes:
    """Every byte that reached the journal, headers, payloads, index and log lines."""
    entries = b"".join(entry.raw + (entry.payload or b"") for entry in store.scan())
    return entries + repr(store.__dict__["_logs"]).encode() + repr(store.__dict__["_rows"]).encode()


async def test_a_secret_never_reaches_the_journal(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A secret's value is masked in properties, outputs, logs and errors, also in base64 and URL-encoded.
    """
    async with open_engine(USES, secrets=lambda name: VALUE if name == "TOKEN" else None) as engine:
        execution = await engine.trigger("company.team", "uses")
        state = await execution.finished()
    assert state.runs["plain"].outputs["value"] == "token=******; ******; ******"
    assert state.runs["failing"].state == "WARNING"
    begun = state.runs["plain"].begun
    assert begun is not None
    assert begun.secrets == ("TOKEN",)
    for form in (VALUE, base64.b64encode(VALUE.encode()).decode(), quote(VALUE, safe="")):
        assert form.encode() not in written(store)


async def test_a_missing_secret_fails_the_task_with_its_name(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    A secret that nobody has is an error of the task, naming the secret and the place in the YAML.
    """
    async with open_engine(USES, secrets=lambda name: None) as engine:
        state = await (await engine.trigger("company.team", "uses")).finished()
    error = state.runs["plain"].error
    assert error is not None
    assert "`TOKEN`" in error.message
    assert "company.team/uses, the flow:7:13" in error.message


async def test_a_secret_input_is_kept_encrypted(
    autojump_clock: MockClock, open_engine: OpenEngine, store: MemoryStore
) -> None:
    """
    A SECRET input is in the journal only under the server's key; expressions see its value, outputs are masked.
    """
    async with open_engine(GIVEN, cipher=Cipher("key")) as engine:
        execution = await engine.trigger("company.team", "given", inputs={"password": VALUE})
        state = await execution.finished()
    assert state.runs["plain"].outputs == {"value": "got ******"}
    assert state.runs["check/right"].state == "SUCCESS"
    assert VALUE.encode() not in written(store)


async def test_without_a_key_secret_inputs_are_refused(
    autojump_clock: MockClock, open_engine: OpenEngine
) -> None:
    """
    Without an encryption key a SECRET input is refused before anything is written, and the error says what to set.
    """
    async with open_engine(GIVEN) as engine:
        with pytest.raises(DeliveryRefused, match="HOOKLEDGER_ENCRYPTION_KEY"):
            await engine.trigger("company.team", "given", inputs={"password": VALUE})


def test_a_sealed_value_belongs_to_its_input() -> None:
    """
    What was encrypted for an input cannot be read as another input's or another execution's, nor under another key.
    """
    sealed = Cipher("key").encrypt(VALUE, context_of("execution-a", "pin"), b"0" * 12)
    assert Cipher("key").decrypt(sealed, context_of("execution-a", "pin")) == VALUE
    for other in (context_of("execution-b", "pin"), context_of("execution-a", "other"), "execution-a"):
        assert Cipher("key").decrypt(sealed, other) is None
    assert Cipher("other").decrypt(sealed, context_of("execution-a", "pin")) is None
