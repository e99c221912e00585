"""Entries: the header's bytes are final, canonical, and everything is hashed over them."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookledger.journal.entry import (
    INTEGER_MAX,
    Chain,
    Header,
    decode_header,
    encode_header,
    leaf_hash,
    log_id,
    payload_hash,
    seal,
)

from .builders import golden

GOLDEN = (
    b'{"actor":"webhook:greet","ep":1,"exec":"0VAtR4000004q0000000001","log":"0011223344556677","n":0,'
    b'"ph":"3q2+7w==","pos":7,"prev":"","seq":0,"ts":1700000000000000,'
    b'"types":["TriggerReceived","OutputsResolved"],"v":1}'
)
_text = st.text(st.characters(exclude_categories=["Cs"]))
_number = st.integers(0, INTEGER_MAX)
_headers = st.builds(
    Header,
    actor=_text, ep=_number, exec=_text, log=_text, n=_number, ph=_text, pos=_number, prev=_text,
    seq=_number, ts=_number, types=st.lists(_text, max_size=4).map(tuple), v=_number,
)  # fmt: skip


def _sealed(chain: Chain, events: Any) -> Any:
    return seal(
        chain, events, log="0011223344556677", epoch=1, position=0, timestamp=5, actor="a:b", salt=b"s" * 16
    )


def test_the_header_is_golden() -> None:
    """
    The format is final: these bytes never change.
    """
    header = Header(
        actor="webhook:greet", ep=1, exec="0VAtR4000004q0000000001", log="0011223344556677", n=0,
        ph="3q2+7w==", pos=7, prev="", seq=0, ts=1_700_000_000_000_000,
        types=("TriggerReceived", "OutputsResolved"), v=1,
    )  # fmt: skip
    assert encode_header(header) == GOLDEN
    assert decode_header(GOLDEN) == header
    assert leaf_hash(GOLDEN).hex() == hashlib.sha256(b"\x00" + GOLDEN).hexdigest()


@given(_headers)
def test_headers_are_canonical(header: Header) -> None:
    """
    A header equals RFC 8785 for its subset: sorted keys, shortest escapes, UTF-8, no spaces.
    """
    raw = encode_header(header)
    plain = json.loads(raw)
    assert raw == json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert decode_header(raw) == header
    assert list(plain) == sorted(Header.__struct_fields__)


def test_hashes_are_what_they_say() -> None:
    """
    ph is base64 SHA-256(salt ‖ payload); the log's id is 8 bytes of SHA-256(origin).
    """
    assert (
        payload_hash(b"salt", b"payload")
        == base64.b64encode(hashlib.sha256(b"saltpayload").digest()).decode()
    )
    assert log_id("hookledger/test") == hashlib.sha256(b"hookledger/test").hexdigest()[:16]


def test_seal_continues_the_chain() -> None:
    """
    The next entry carries n + 1, the sequence after the last event and the leaf before it.
    """
    chain, events = Chain(execution="x"), golden()
    first, second = _sealed(chain, events[:4]), _sealed(chain, events[4:])
    assert (second.header.n, second.header.seq) == (1, 4)
    assert second.header.prev == base64.b64encode(first.leaf).decode()
    assert chain == Chain.after(second)
    assert second.events() == list(events[4:])
    assert first.header.ph == payload_hash(first.salt, first.payload)


@pytest.mark.parametrize("events", [(), golden()[1:]], ids=["none", "not the next"])
def test_seal_refuses_what_does_not_come_next(events: Any) -> None:
    """
    An entry has events and begins where the chain ends.
    """
    with pytest.raises(AssertionError, match="must begin at sequence 0"):
        _sealed(Chain(execution="x"), events)
