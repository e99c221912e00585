"""W3C Trace Context, level 1: read what is right, ignore what is not."""

import re
from collections.abc import Sequence

import msgspec

PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
MEMBER = re.compile(r"[a-z0-9][a-z0-9_*/@-]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{1,256}")
STATE_CHARS_MAX = 512
STATE_MEMBERS_MAX = 32


class TraceParent(msgspec.Struct, frozen=True, kw_only=True):
    """Where a delivery belongs in the sender's trace."""

    trace_id: str
    parent_id: str
    sampled: bool
    state: str = ""

    @property
    def header(self) -> str:
        """The `traceparent` header, version 00."""
        return f"00-{self.trace_id}-{self.parent_id}-{'01' if self.sampled else '00'}"


def read_trace(headers: Sequence[tuple[str, str]]) -> TraceParent | None:
    """Return the sender's trace context, or None when there is no valid one."""
    lines = [value.strip() for name, value in headers if name.lower() == "traceparent"]
    found = PARENT.fullmatch(lines[0]) if len(lines) == 1 else None
    if found is None or not _is_valid(found):
        return None
    return TraceParent(
        trace_id=found[2], parent_id=found[3], sampled=bool(int(found[4], 16) & 1), state=_state(headers)
    )


def _is_valid(found: re.Match[str]) -> bool:
    version, trace_id, parent_id, _, more = found.groups()
    if version == "ff" or (version == "00" and more):
        return False
    return trace_id.strip("0") != "" and parent_id.strip("0") != ""


def _state(headers: Sequence[tuple[str, str]]) -> str:
    lines = (value for name, value in headers if name.lower() == "tracestate")
    members = [part.strip() for line in lines for part in line.split(",") if part.strip()]
    text = ",".join(members)
    names = [member.partition("=")[0] for member in members]
    good = all(MEMBER.fullmatch(member) for member in members) and len(set(names)) == len(names)
    return text if good and len(members) <= STATE_MEMBERS_MAX and len(text) <= STATE_CHARS_MAX else ""
