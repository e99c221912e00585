"""Users as the settings name them, checked when the server starts."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

import msgspec

from hookledger.api.config import ConfigInvalid
from hookledger.api.identity.passwords import (
    UNSTORED_N,
    HashInvalid,
    PasswordHash,
    hash_password,
    parse_hash,
)
from hookledger.api.identity.users import User
from hookledger.api.permissions import Role
from hookledger.runtime.flow.problems import suggestion

_NAME: Final = re.compile(r"[^\s:\x00-\x1f\x7f](?:[^:\x00-\x1f\x7f]{0,98}[^\s:\x00-\x1f\x7f])?")


class UserSettings(Protocol):
    """An entry of `auth.users` as it was read."""

    name: str
    role: str
    password: str
    password_hash: str


class Declared(msgspec.Struct, frozen=True, kw_only=True):
    """One user of the settings, its password not hashed yet when it is written out there."""

    name: str
    role: Role
    password: str = ""
    hash: PasswordHash | None = None

    def user(self) -> User:
        """The user, ready to be checked against; hashes where the settings do not."""
        return User(
            name=self.name, role=self.role, password=self.hash or hash_password(self.password, n=UNSTORED_N)
        )


def declared_users(configs: Sequence[UserSettings], *, first: str) -> tuple[Declared, ...]:
    """Check `auth.users`.

    Args:
        first: Name of the user that is there anyway.

    Raises:
        ConfigInvalid: With everything that is wrong, each at its place.
    """
    problems = [f"auth.users[{index}]: {text}" for index, text in _problems(configs, first)]
    if problems:
        raise ConfigInvalid("; ".join(problems))
    return tuple(_declared(config) for config in configs)


def all_users(first: User, declared: Sequence[Declared]) -> list[User]:
    """The first user and those of the settings.

    Raises:
        ConfigInvalid: One of them has the first one's name.
    """
    for index, one in enumerate(declared):
        if one.name == first.name:
            raise ConfigInvalid(f"auth.users[{index}]: {_taken(one.name)}")
    return [first, *(one.user() for one in declared)]


def _declared(config: UserSettings) -> Declared:
    kept = parse_hash(config.password_hash) if config.password_hash else None
    return Declared(name=config.name, role=Role(config.role), password=config.password, hash=kept)


def _problems(configs: Sequence[UserSettings], first: str) -> Iterator[tuple[int, str]]:
    seen: dict[str, int] = {}
    for index, config in enumerate(configs):
        if not _NAME.fullmatch(config.name):
            yield (
                index,
                f"name: {config.name[:100]!r} must have 1 to 100 characters and no colon (HTTP Basic)",
            )
        if config.name == first:
            yield index, _taken(config.name)
        if config.name in seen:
            yield index, f"the name `{config.name}` stands at auth.users[{seen[config.name]}] already"
        seen.setdefault(config.name, index)
        if config.role not in set(Role):
            yield index, f"there is no role `{config.role}`; {suggestion(config.role, [*Role])}"
        if (problem := _password_problem(config)) is not None:
            yield index, problem


def _password_problem(config: UserSettings) -> str | None:
    if config.password and config.password_hash:
        return f"`{config.name}` has a password and a passwordHash; keep the hash"
    if not config.password and not config.password_hash:
        return f"`{config.name}` has no password; `hookledger user hash` makes a passwordHash"
    try:
        if config.password_hash:
            parse_hash(config.password_hash)
    except HashInvalid as error:
        return f"the passwordHash of `{config.name}` {error}; `hookledger user hash` makes one"
    return None


def _taken(name: str) -> str:
    return f"`{name}` is the first user already (auth.username); take another name"
