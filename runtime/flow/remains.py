"""What a flow that no longer parses still says: which triggers it has, so that their callers can be told."""

import hashlib
from typing import Any

from hookledger.runtime.flow.fields import Collector
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.source import SourceInvalid, load
from hookledger.runtime.flow.triggers import read_triggers


def remains(source: str, *, namespace: str, flow_id: str, revision: int) -> Flow:
    """A flow of nothing but those triggers that can still be read. It must not be run."""
    try:
        data: Any = load(source).data
    except SourceInvalid:
        data = None
    triggers = read_triggers(data.get("triggers"), (), Collector()) if isinstance(data, dict) else ()
    return Flow(
        namespace=namespace,
        id=flow_id,
        revision=revision,
        source=source,
        sha256=hashlib.sha256(source.encode()).hexdigest(),
        triggers=triggers,
    )
