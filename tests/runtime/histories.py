"""Hypothesis strategies: random flows, and random histories of them."""

import random

from hypothesis import strategies as st

from hookledger.journal.events import ExecutionEvent
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.parse import parse_flow
from tests.runtime.driving import Driver
from tests.simulation.flows import FlowMaker
from tests.simulation.probes import probing

REGISTRY = probing()


def made_flow(seed: int) -> Flow:
    """The random flow of a seed."""
    return parse_flow(FlowMaker(random.Random(seed)).flow("made"), registry=REGISTRY)


def made_history(seed: int) -> tuple[Flow, list[ExecutionEvent]]:
    """The random flow of a seed, and one history of it from first to terminal event."""
    flow = made_flow(seed)
    return flow, Driver(flow, seed).run()


def histories() -> st.SearchStrategy[tuple[Flow, list[ExecutionEvent]]]:
    """Flows with a history. A seed is what shrinks and what a failure prints."""
    return st.integers(0, 1_000_000).map(made_history)
