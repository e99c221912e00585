"""Large events are encoded in slices and hashed away from the event loop."""

import msgspec
import pytest

from hookledger.journal import events as catalogue
from hookledger.journal.entry import payload_hash, prepare
from hookledger.journal.events import OutputsResolved, TaskReturned, TriggerReceived, encode_events

LONG = '\N{REPLACEMENT CHARACTER}ä\n"\\x' * 100


def returned(outputs: dict[str, object]) -> TaskReturned:
    """The end of an attempt with outputs."""
    return TaskReturned(
        sequence=1, at=2, task="a", path="a", attempt=1, outcome="ok", next="next", outputs=outputs
    )


EVENTS = (
    returned({"value": LONG, "short": "x", "nested": [{"a": [LONG, 1, None, True, 1.5]}]}),
    OutputsResolved(sequence=2, at=3, state="SUCCESS", outputs={LONG: LONG}),
    TriggerReceived(
        sequence=0, at=1, namespace="t", flow="f", revision=1, source_sha256="", trigger="w", trigger_type="W",
        seed="", body=LONG.encode(), headers=(("a", LONG),),
    ),
)  # fmt: skip


@pytest.mark.parametrize("chars", [1, 7, 64, 2**20])
def test_slices_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch, chars: int) -> None:
    """
    Whatever the size of a slice, the stored bytes are those of the encoder, and so is their hash.
    """
    monkeypatch.setattr(catalogue, "SLICE_CHARS", chars)
    made = prepare(EVENTS, b"salt")
    assert made.stored == encode_events(EVENTS)
    assert made.hash == payload_hash(b"salt", encode_events(EVENTS))


def test_no_step_encodes_more_than_a_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A long text is never given to the encoder in one piece.
    """
    lengths: list[int] = []

    class Watching:
        def encode(self, value: object) -> bytes:
            if isinstance(value, str):
                lengths.append(len(value))
            return msgspec.json.encode(value)

    monkeypatch.setattr(catalogue, "SLICE_CHARS", 64)
    monkeypatch.setattr(catalogue, "_encoder", Watching())
    catalogue.encode_sliced(EVENTS)
    assert sum(lengths) > 3 * len(LONG)
    assert max(lengths) == 64


def test_half_of_a_pair_is_refused_as_before() -> None:
    """
    What the encoder refuses is refused in slices too.
    """
    for encode in (encode_events, catalogue.encode_sliced):
        with pytest.raises(UnicodeEncodeError):
            encode((returned({"value": "\ud800" + "x" * 2**21}),))
