"""The people who may come in, with their roles and the hashes of their passwords.

One user is always there, an admin: from the settings, or made at first start and kept in the data directory.
"""

import base64
import binascii
import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import trio

from hookledger.api.identity.passwords import (
    SCRYPT_N,
    SCRYPT_P,
    SCRYPT_R,
    UNSTORED_N,
    PasswordHash,
    derive,
    hash_password,
    text_bytes,
)
from hookledger.api.permissions import Role

FILE: Final = "credentials.json"
TOLD_FILE: Final = "first-password"
"""Holds a password that was made here, until somebody has come in with it."""
DEFAULT_USER: Final = "admin"
GOOD_MAX: Final = 1000
"""Right `Authorization` headers that are remembered, each with the network it came from."""
WAITING_MAX: Final = 16
"""Passwords that may wait to be checked."""


class TooBusy(Exception):
    """So many passwords wait to be checked that another one would wait too long."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a password."""

    name: str
    role: Role = Role.ADMIN
    password: PasswordHash


class Users:
    """Checks passwords. The slow hash is computed once per `Authorization` header that turns out right."""

    def __init__(self, users: Sequence[User], *, proved: Callable[[str], None] | None = None) -> None:
        """Take the users.

        Args:
            proved: Called with a name whenever its password turned out right.
        """
        self._proved = proved
        self._users = {user.name: user for user in users}
        self._key = secrets.token_bytes(32)
        self._good: OrderedDict[bytes, str] = OrderedDict()
        self._checking: dict[bytes, trio.Lock] = {}
        self._hashing = trio.CapacityLimiter(1)
        self._decoys = tuple(users)

    def __contains__(self, name: str) -> bool:
        return name in self._users

    def remembered(self, authorization: str, network: str) -> User | None:
        """The user of a header that was right before from this network."""
        digest = self._digest(authorization, network)
        name = self._good.get(digest)
        if name is None:
            return None
        self._good.move_to_end(digest)
        return self._users[name]

    def remember(self, authorization: str, network: str, user: User) -> None:
        """Take a header from this network as right from now on; only a keyed digest of it is kept.

        From any other network it is one more attempt, or whoever guesses would pass by the limit with the right one.
        """
        self._good[self._digest(authorization, network)] = user.name
        if len(self._good) > GOOD_MAX:
            self._good.popitem(last=False)

    @asynccontextmanager
    async def alone(self, authorization: str, network: str) -> AsyncGenerator[User | None]:
        """Whoever comes with the same header meanwhile waits; then it is remembered, or as wrong as before."""
        digest = self._digest(authorization, network)
        lock = self._checking.setdefault(digest, trio.Lock())
        try:
            async with lock:
                yield self.remembered(authorization, network)
        finally:
            if not lock.statistics().tasks_waiting and not lock.locked():
                self._checking.pop(digest, None)

    async def matches(self, name: str, password: str) -> User | None:
        """The user, when the password is right.

        An unknown name costs what the name of one of the users would: it is checked against that one's salt and
        cost, and can never be right.

        Raises:
            TooBusy: Too many passwords wait already.
        """
        if self._hashing.statistics().tasks_waiting >= WAITING_MAX:
            await trio.lowlevel.checkpoint()
            raise TooBusy
        user = self._users.get(name)
        like = (user or self._decoy(name)).password
        computed = await trio.to_thread.run_sync(derive, password, like, limiter=self._hashing)
        right = hmac.compare_digest(computed, like.digest)
        if not right or user is None:
            return None
        if self._proved is not None:
            self._proved(name)
        return user

    def _decoy(self, name: str) -> User:
        """Always the same one for the same name, so that neither one try nor many tell it from a user's."""
        number = int.from_bytes(hmac.digest(self._key, b"decoy:" + text_bytes(name), "sha256"), "big")
        return self._decoys[number % len(self._decoys)]

    def _digest(self, authorization: str, network: str) -> bytes:
        return hmac.digest(self._key, text_bytes(f"{network}\n{authorization}"), "sha256")


def parse_basic(authorization: str) -> tuple[str, str] | None:
    """Split `Basic <base64(user:password)>` (RFC 7617); None for anything else."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(":")
    return (name, password) if colon else None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What the data directory keeps of the first user."""

    username: str
    salt: str
    """Hex."""
    hash: str
    """scrypt (RFC 7914) of the password, hex."""
    n: int = SCRYPT_N
    r: int = SCRYPT_R
    p: int = SCRYPT_P

    @classmethod
    def of(cls, user: User) -> "Stored":
        """A user as it is kept."""
        kept = user.password
        return cls(
            username=user.name, salt=kept.salt.hex(), hash=kept.digest.hex(), n=kept.n, r=kept.r, p=kept.p
        )

    def user(self) -> User:
        """The user, ready to be checked against."""
        salt, digest = bytes.fromhex(self.salt), bytes.fromhex(self.hash)
        kept = PasswordHash(salt=salt, digest=digest, n=self.n, r=self.r, p=self.p)
        return User(name=self.username, password=kept)


class First(msgspec.Struct, frozen=True):
    """The first user, and where it comes from."""

    user: User
    origin: str
    generated: str = ""
    """A password that was made here, for as long as nobody has come in with it."""
    kept: Path | None = None
    """Where that password stands until then."""

    def proved(self, name: str) -> None:
        """Somebody came in: what need not be told again is forgotten."""
        if self.kept is not None and name == self.user.name:
            self.kept.unlink(missing_ok=True)


def first_user(directory: Path, *, username: str = "", password: str = "") -> First:
    """Take what the settings say; otherwise what the directory keeps; otherwise make a password."""
    path, name = directory / FILE, username or DEFAULT_USER
    if password:
        return First(User(name=name, password=hash_password(password, n=UNSTORED_N)), "the settings")
    if not path.exists():
        return reset_first(directory, username=name)
    told, user = directory / TOLD_FILE, msgspec.json.decode(path.read_bytes(), type=Stored).user()
    try:
        generated = told.read_text("utf-8").strip()
    except FileNotFoundError:
        return First(user, str(path))
    return First(user, str(path), generated, told)


def reset_first(directory: Path, *, username: str = "") -> First:
    """Give the first user a new password; one that is served already counts from the next start."""
    path, told = directory / FILE, directory / TOLD_FILE
    if not username:
        username = (
            msgspec.json.decode(path.read_bytes(), type=Stored).username if path.exists() else DEFAULT_USER
        )
    generated = secrets.token_urlsafe(18)
    user = User(name=username, password=hash_password(generated))
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(told, generated.encode())
    _write_private(path, msgspec.json.encode(Stored.of(user)))
    return First(user, str(path), generated, told)


def _write_private(path: Path, content: bytes) -> None:
    """All of it or nothing, whatever stood there before."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
