"""Who may do what: four roles, as sets of permissions. Routes and pages name the permission they need."""

from enum import StrEnum
from typing import Final


class Permission(StrEnum):
    """What a route or a page needs."""

    READ = "read"
    """See flows, executions, their journals, logs and deliveries."""
    OPERATE = "operate"
    """Start, kill, pause, resume, restart and label executions; send deliveries again."""
    AUDIT = "audit"
    """See who did what: logins, refused requests, changes, tokens."""
    EDIT = "edit"
    """Create, change and remove flows."""
    ADMINISTER = "administer"
    """Issue and revoke tokens."""


class Role(StrEnum):
    """What a user or a token is for."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


GRANTS: Final[dict[Role, frozenset[Permission]]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.OPERATE}),
    Role.AUDITOR: frozenset({Permission.READ, Permission.AUDIT}),
    Role.ADMIN: frozenset(Permission),
}
"""An auditor changes nothing, an operator does not look over shoulders; an admin may do both."""
