"""API tokens: random secrets for programs. The journal is their only state, and it has just their hashes."""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from hookledger.actors.ids import new_id
from hookledger.api.identity.access import Access
from hookledger.api.identity.identity import How, Identity
from hookledger.api.identity.sessions import urlsafe
from hookledger.api.permissions import Role
from hookledger.journal.events import AnyEvent, TokenIssued, TokenRevoked
from hookledger.journal.journal import Journal

CHANGES_MAX: Final = 1_000_000
"""Tokens issued and revoked that a journal may hold."""
PREFIX: Final = "hlt_"
"""So that scanners and people recognise one that lies about."""
SECRET_BYTES: Final = 32

Change: TypeAlias = TokenIssued | TokenRevoked


class TokenState(StrEnum):
    """Whether a token works."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a token; never the secret."""

    issued: TokenIssued
    revoked: TokenRevoked | None = None

    def state(self, now: int) -> TokenState:
        """Whether it works now (microseconds)."""
        if self.revoked is not None:
            return TokenState.REVOKED
        if self.issued.expires and self.issued.expires <= now:
            return TokenState.EXPIRED
        return TokenState.ACTIVE

    @property
    def identity(self) -> Identity:
        """Who comes with it."""
        issued = self.issued
        return Identity(name=issued.name, role=Role(issued.role), how=How.TOKEN, token=issued.id)


class NameTaken(Exception):
    """There is a working token of that name."""


class TokenBook:
    """All tokens there ever were. Make it, let it `learn` the system stream."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._tokens: dict[str, Token] = {}
        self._by_hash: dict[str, str] = {}
        self._access: dict[str, Access] = {}

    def learn(self, event: AnyEvent) -> None:
        """Take in an event of the system stream; those about other things are ignored."""
        match event:
            case TokenIssued():
                self._tokens[event.id] = Token(issued=event)
                self._by_hash[event.sha256] = event.id
            case TokenRevoked() if event.id in self._tokens:
                token = self._tokens[event.id]
                self._tokens[event.id] = msgspec.structs.replace(token, revoked=event)
                if (access := self._access.pop(event.id, None)) is not None:
                    access.end()
            case _:
                return

    @property
    def now(self) -> int:
        """The journal's time, microseconds."""
        return self._journal.clock.now()

    def listed(self) -> list[Token]:
        """Every token, newest first."""
        return list(reversed(self._tokens.values()))

    def access(self, token_id: str) -> Access:
        """How long a working token holds."""
        if token_id not in self._access:
            self._access[token_id] = Access(
                lambda: self._tokens[token_id].state(self.now) is TokenState.ACTIVE
            )
        return self._access[token_id]

    def get(self, token_id: str) -> Token | None:
        """A token by its id."""
        return self._tokens.get(token_id)

    def find(self, secret: str) -> Token | None:
        """The token with this secret, whatever its state.

        A plain look-up by the hash of 256 random bits: how long it takes says nothing about the bits.
        """
        found = self._by_hash.get(_hash(secret))
        return self._tokens[found] if found is not None else None

    async def issue(self, name: str, role: Role, by: str, *, expires: int = 0) -> tuple[Token, str]:
        """Make a token; returns it with its secret, which is told once, when it can no longer be lost.

        Raises:
            NameTaken: A token of that name works already.
        """
        now = self.now
        if any(t.issued.name == name and t.state(now) is TokenState.ACTIVE for t in self._tokens.values()):
            raise NameTaken(name)
        entropy = self._journal.entropy
        secret = PREFIX + urlsafe(entropy.token(SECRET_BYTES))
        token_id = new_id(self._journal.clock, entropy)

        def make(sequence: int, at: int) -> TokenIssued:
            return TokenIssued(
                sequence=sequence,
                at=at,
                id=token_id,
                name=name,
                role=role.value,
                sha256=_hash(secret),
                expires=expires,
                by=by,
            )

        await self._append(make, by)
        return self._tokens[token_id], secret

    async def revoke(self, token_id: str, by: str) -> None:
        """Make a token good for nothing, at once; returns once that is durable."""

        def make(sequence: int, at: int) -> TokenRevoked:
            return TokenRevoked(sequence=sequence, at=at, id=token_id, by=by)

        await self._append(make, by)

    async def _append(self, make: Callable[[int, int], Change], by: str) -> None:
        """Append and learn in one step, then wait until it cannot be lost."""
        made: list[Change] = []

        def kept(sequence: int, at: int) -> Change:
            made.append(make(sequence, at))
            return made[0]

        ticket = self._journal.append_system(kept, actor=by)
        self.learn(made[0])
        await ticket.durable()


async def open_tokens(journal: Journal) -> TokenBook:
    """The book as the journal has it."""
    book = TokenBook(journal)
    kinds = (TokenIssued.__name__, TokenRevoked.__name__)
    entries = await journal.ask(lambda reader: reader.system(kinds, limit=CHANGES_MAX))
    for entry in reversed(entries):
        for event in entry.events():
            book.learn(event)
    return book


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
