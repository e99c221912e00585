"""Entries: the unit of writing and of proof.

An entry holds all events that one execution decided up to a barrier. It is one row, one hash, one leaf of the
partition's Merkle tree. Its header is canonical JSON (RFC 8785 for the subset used: sorted ASCII keys, strings
and integers below 2^53, no floats, no nulls, every key present) and commits to the payload by a salted hash, so
a payload can be erased and every proof stays valid. Hashes are taken over stored bytes, never over a re-encoding.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from hookledger.journal.errors import ExecutionDamaged
from hookledger.journal.events import AnyEvent, decode_events, encode_events, encode_sliced, type_name

FORMAT_VERSION: Final = 1
SALT_BYTES: Final = 16
SYSTEM: Final = "system"
"""Execution id of the partition's own stream."""
INTEGER_MAX: Final = 2**53 - 1


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The committed part of an entry. Keys are short because every proof carries them."""

    actor: str
    """Principal as `kind:id`; no personal data."""
    ep: int
    """Writer epoch."""
    exec: str
    """Execution id, or `system`."""
    log: str
    """Identity of the partition's log: first 8 bytes of SHA-256(origin), hex."""
    n: int
    """Entry number in the execution, from 0."""
    ph: str
    """Base64 SHA-256(salt ‖ payload)."""
    pos: int
    """Dense position in the partition, from 0."""
    prev: str
    """Base64 leaf hash of the execution's previous entry, or empty."""
    seq: int
    """Sequence of the entry's first event."""
    ts: int
    """Wall time of the append, microseconds; never below the previous entry's."""
    types: tuple[str, ...]
    """Event type names in order."""
    v: int
    """Format version."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One stored row; `payload` and `salt` are None once erased."""

    header: Header
    raw: bytes
    """The header's stored bytes, which the leaf hash covers."""
    leaf: bytes
    payload: bytes | None
    salt: bytes | None

    def events(self) -> list[AnyEvent]:
        """Decode the payload; an erased entry has no events left to show."""
        return [] if self.payload is None else decode_events(only_bytes(self.payload))


_header_encoder = msgspec.json.Encoder(order="sorted")
_header_decoder = msgspec.json.Decoder(Header)


def decode_header(raw: bytes) -> Header:
    """Read a header back.

    Raises:
        msgspec.DecodeError: It is none; also where a damaged file has something else than bytes.
    """
    return _header_decoder.decode(only_bytes(raw))


def only_bytes(stored: object) -> bytes:
    """What is stored, if it is bytes.

    Raises:
        msgspec.DecodeError: It is not.
    """
    if not isinstance(stored, bytes):
        raise msgspec.DecodeError(f"bytes belong here, not {type(stored).__name__}")
    return stored


def encode_header(header: Header) -> bytes:
    """Return the canonical bytes of a header."""
    return _header_encoder.encode(header)


def leaf_hash(raw_header: bytes) -> bytes:
    """RFC 6962 section 2.1: SHA-256 over 0x00 and the leaf's bytes."""
    return hashlib.sha256(b"\x00" + raw_header).digest()


def payload_hash(salt: bytes, payload: bytes) -> str:
    """The salted commitment that stands in the header as `ph`."""
    digest = hashlib.sha256(salt)
    digest.update(payload)
    return base64.b64encode(digest.digest()).decode()


class Payload(NamedTuple):
    """Events as they are stored, with what stands for them in the header."""

    stored: bytes
    salt: bytes
    hash: str
    """As the header's `ph`."""


def prepare(events: Sequence[AnyEvent], salt: bytes) -> Payload:
    """Encode and hash large events; meant for a thread."""
    stored = encode_sliced(tuple(events))
    return Payload(stored, salt, payload_hash(salt, stored))


def log_id(origin: str) -> str:
    """Short identity of a log, so that an entry cannot be moved into another journal."""
    return hashlib.sha256(origin.encode()).digest()[:8].hex()


PEOPLE: Final = frozenset({"user", "cli", "token"})


def principal(actor: str, log: str) -> str:
    """Who did it, for a header: headers outlive erasure, so a person's name is replaced by its hash within this log.

    The name itself stands in the payload (`by`), which can be erased.
    """
    kind, _, name = actor.partition(":")
    if kind not in PEOPLE:
        return actor
    return f"{kind}:{hashlib.sha256(f'{log}:{name}'.encode()).hexdigest()[:16]}"


def by_person(header: Header) -> bool:
    """True when somebody asked for it, and not the engine or a webhook."""
    return header.actor.partition(":")[0] in PEOPLE


class Chain(msgspec.Struct, kw_only=True):
    """The growing end of one execution's entries: what the next header must continue."""

    execution: str
    n: int = 0
    seq: int = 0
    prev: bytes = b""

    @classmethod
    def after(cls, entry: Entry) -> "Chain":
        """Continue behind a stored entry."""
        header = entry.header
        return cls(
            execution=header.exec,
            n=header.n + 1,
            seq=header.seq + len(header.types),
            prev=entry.leaf,
        )


def check_chain(entries: Sequence[Entry]) -> None:
    """Check that entries are an execution's from its first on, unchanged and without a gap.

    Raises:
        ExecutionDamaged: They are not.
    """
    prev = b""
    for number, entry in enumerate(entries):
        header = entry.header
        reason = ""
        if header.n != number:
            reason = f"entry {number} is missing"
        elif entry.payload is None or entry.salt is None:
            reason = f"the payload of entry {number} is gone"
        elif payload_hash(entry.salt, entry.payload) != header.ph:
            reason = f"the payload of entry {number} was changed"
        elif base64.b64decode(header.prev) != prev:
            reason = f"entry {number} does not follow the one before it"
        if reason:
            raise ExecutionDamaged(header.exec, reason)
        prev = entry.leaf


def seal(
    chain: Chain,
    events: Sequence[AnyEvent],
    *,
    log: str,
    epoch: int,
    position: int,
    timestamp: int,
    actor: str,
    salt: bytes,
    prepared: Payload | None = None,
) -> Entry:
    """Make the chain's next entry and move the chain past it; `prepared` is made of the same events."""
    if not events or events[0].sequence != chain.seq:
        raise AssertionError(f"{chain.execution}: events must begin at sequence {chain.seq}")
    if prepared is None:
        stored = encode_events(tuple(events))
        prepared = Payload(stored, salt, payload_hash(salt, stored))
    header = Header(
        actor=actor,
        ep=epoch,
        exec=chain.execution,
        log=log,
        n=chain.n,
        ph=prepared.hash,
        pos=position,
        prev=base64.b64encode(chain.prev).decode(),
        seq=chain.seq,
        ts=timestamp,
        types=tuple(type_name(event) for event in events),
        v=FORMAT_VERSION,
    )
    raw = encode_header(header)
    entry = Entry(header=header, raw=raw, leaf=leaf_hash(raw), payload=prepared.stored, salt=prepared.salt)
    chain.n, chain.seq, chain.prev = chain.n + 1, chain.seq + len(events), entry.leaf
    return entry
