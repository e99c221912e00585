"""Who makes it happen: execution actors, their supervisor, timers and `Engine`, the embedding surface."""

from hookledger.actors.engine import Engine
from hookledger.actors.errors import (
    CommandRefused,
    DeliveryRefused,
    EngineError,
    ExecutionFaulted,
    ExecutionUnsuccessful,
    FlowUnknown,
    FlowUnusable,
    StillRunning,
)
from hookledger.actors.handle import Execution
from hookledger.actors.operators import Kill, Note, Pause, Restart, Resume, SetLabels
from hookledger.actors.ports import Ports
from hookledger.actors.reception import Delivery
from hookledger.runtime.flow.parse import FlowInvalid

__all__ = [
    "CommandRefused",
    "Delivery",
    "DeliveryRefused",
    "Engine",
    "EngineError",
    "Execution",
    "ExecutionFaulted",
    "ExecutionUnsuccessful",
    "FlowInvalid",
    "FlowUnknown",
    "FlowUnusable",
    "Kill",
    "Note",
    "Pause",
    "Ports",
    "Restart",
    "Resume",
    "SetLabels",
    "StillRunning",
]
