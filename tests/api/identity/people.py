"""A site with one person per role, whose clock a test can move."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from hookledger.actors import Ports
from hookledger.api.identity.passwords import PasswordHash, derive
from hookledger.journal.entry import SYSTEM
from hookledger.journal.ports import SystemClock
from tests.api.site import Site, open_site

E = TypeVar("E")
ROLES: Final = ("viewer", "operator", "auditor", "admin")
API: Final = "/api/v1/main"


class Clock:
    """The machine's time, moved by the test."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._moved = 0

    def now(self) -> int:
        return self._clock.now() + self._moved

    def move(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self._moved += int((hours * 3600 + seconds) * 1_000_000)


def quick_hash(password: str) -> PasswordHash:
    """The hash of a password at the lowest cost that the settings take."""
    blank = PasswordHash(salt=b"salt of 16 bytes", digest=b"\0" * 32, n=2**10, r=1)
    return msgspec.structs.replace(blank, digest=derive(password, blank))


def password_of(role: str) -> str:
    """What the person with this role types."""
    return f"password of the {role}"


def auth(role: str) -> tuple[str, str]:
    """Basic credentials of the person with this role."""
    return f"the-{role}", password_of(role)


PEOPLE: Final = [
    {"name": f"the-{role}", "role": role, "passwordHash": str(quick_hash(password_of(role)))}
    for role in ROLES
]


@asynccontextmanager
async def peopled(
    directory: Path, flows: dict[str, str] | None = None, *, clock: Clock | None = None, **settings: Any
) -> AsyncGenerator[Site]:
    """Serve with a person per role."""
    ports = Ports(clock=clock) if clock is not None else None
    async with open_site(directory, flows, ports=ports, auth__users=PEOPLE, **settings) as site:
        yield site


def system_events(site: Site, kind: type[E]) -> list[E]:
    """What the system stream durably holds of one kind."""
    return [event for event in site.events(SYSTEM) if isinstance(event, kind)]


async def recorded(site: Site, kind: type[E], count: int) -> list[E]:
    """The same once there are so many: a refusal does not wait until it is durable."""
    await site.until(lambda: len(system_events(site, kind)) >= count)
    return system_events(site, kind)
