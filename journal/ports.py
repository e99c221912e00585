"""Outside things the journal needs handed in, so that a simulation can replace them."""

import os
import platform
import secrets
import socket
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import msgspec


class Clock(Protocol):
    """Wall time."""

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class Entropy(Protocol):
    """Randomness."""

    def token(self, size: int) -> bytes:
        """`size` random bytes."""
        ...


class SystemClock:
    """The operating system's clock: the only place of the product that reads it."""

    def now(self) -> int:
        return time.time_ns() // 1000


class SystemEntropy:
    """The operating system's random source."""

    def token(self, size: int) -> bytes:
        return secrets.token_bytes(size)


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes a partition, as it stands in EpochStarted."""

    host: str
    process: int
    software: str


def this_process() -> Writer:
    """The machine and process that ask."""
    return Writer(host=socket.gethostname() or platform.node(), process=os.getpid(), software=software())


def software() -> str:
    """Name and version, as they stand in the journal."""
    try:
        return f"hookledger/{version('hookledger')}"
    except PackageNotFoundError:
        return "hookledger/0+unknown"
