"""Where `secret('NAME')` comes from, and how its value is kept out of everything that is written down."""

import base64
import binascii
import os
from collections.abc import Callable, Mapping
from typing import TypeAlias

Secrets: TypeAlias = Callable[[str], str | None]
"""Gives a secret's value by name, None when there is none. Names are looked up without regard to case."""

KESTRA_PREFIX = "SECRET_"
ENVIRONMENT_PREFIXES = ("KESTRA_", "ENV_")
PLAIN_PREFIX = "HOOKLEDGER_SECRET_"


def environment_secrets(environment: Mapping[str, str] | None = None) -> Secrets:
    """Secrets from environment variables: `HOOKLEDGER_SECRET_X` as it is, `SECRET_X` in base64 as Kestra has it."""
    known: dict[str, str] = {}
    for name, value in (os.environ if environment is None else environment).items():
        if name.upper().startswith(PLAIN_PREFIX):
            known[name[len(PLAIN_PREFIX) :].upper()] = value
        elif name.upper().startswith(KESTRA_PREFIX) and (decoded := _decoded(value)) is not None:
            known.setdefault(name[len(KESTRA_PREFIX) :].upper(), decoded)
    return lambda name: known.get(name.upper())


def environment_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """What expressions see as `envs`: variables that begin with `ENV_` or `KESTRA_`, without it, in lower case."""
    found: dict[str, str] = {}
    for name, value in sorted((os.environ if environment is None else environment).items()):
        for prefix in ENVIRONMENT_PREFIXES:
            if name.startswith(prefix):
                found[name.removeprefix(prefix).lower()] = value
    return found


def _decoded(value: str) -> str | None:
    try:
        return base64.b64decode(value, validate=False).decode()
    except (binascii.Error, ValueError):
        return None
