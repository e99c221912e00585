"""Somebody who is known: a name, a role, and how they showed who they are."""

from enum import StrEnum
from typing import Final

import msgspec

from hookledger.api.permissions import GRANTS, Permission, Role


class How(StrEnum):
    """By what somebody is known."""

    BASIC = "basic"
    TOKEN = "token"
    SESSION = "session"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks."""

    name: str
    """The user's, or the token's."""
    role: Role
    how: How = How.BASIC
    token: str = ""
    """The token's id; empty for people."""

    @property
    def by(self) -> str:
        """The principal as the journal names it. A token goes by its id: its name may be a person's."""
        return f"token:{self.token}" if self.how is How.TOKEN else f"user:{self.name}"

    def may(self, permission: Permission) -> bool:
        """Whether the role grants this."""
        return permission in GRANTS[self.role]


ANYBODY: Final = Identity(name="", role=Role.VIEWER)
"""Who asks a route that needs nothing."""
