"""Writes repeated deliveries down on the execution they belong to, a bounded number for each.

The answer does not wait for it: a DuplicateDelivery is an observation. One task works through a bounded queue; what
does not fit is not recorded.
"""

import logging
from collections import OrderedDict
from typing import Final

import trio

from hookledger.actors.engine import Engine
from hookledger.actors.errors import EngineError
from hookledger.actors.operators import Repeated
from hookledger.journal.errors import JournalError, JournalPoisoned

PER_EXECUTION_MAX: Final = 10
EXECUTIONS_MAX: Final = 10_000
QUEUE_MAX: Final = 256

logger = logging.getLogger("hookledger.api.webhook")


class Repetitions:
    """The queue and the caps."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._send, self._receive = trio.open_memory_channel[tuple[str, Repeated]](QUEUE_MAX)

    def note(self, execution: str, command: Repeated) -> None:
        """Remember to record it, if there is room."""
        count = self._counts.pop(execution, 0) + 1
        self._counts[execution] = count
        if len(self._counts) > EXECUTIONS_MAX:
            self._counts.popitem(last=False)
        if count > PER_EXECUTION_MAX:
            return
        try:
            self._send.send_nowait((execution, command))
        except trio.WouldBlock:
            return

    async def run(self) -> None:
        """Record, for ever."""
        async for execution, command in self._receive:
            try:
                await self._engine.command(execution, command)
            except JournalPoisoned:
                return
            except (EngineError, JournalError) as error:
                logger.warning("a repeated delivery of %s was not recorded: %s", execution, error)
