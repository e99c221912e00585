"""Reads `handshake:`: AUTO, NONE, or a list of names and blocks."""

from collections.abc import Sequence
from typing import cast

from hookledger.runtime.triggers.webhook.admission.settings import Problem, check, read_settings
from hookledger.runtime.triggers.webhook.handshakes.model import Handshake, HandshakeType

# What a preset's sender asks without being told; META and the like need a value of their own.
IMPLIED: dict[str, tuple[HandshakeType, ...]] = {
    "SLACK": (HandshakeType.SLACK,),
    "DISCORD": (HandshakeType.DISCORD,),
    "ZOOM": (HandshakeType.ZOOM,),
    "GITHUB": (HandshakeType.GITHUB,),
}
REQUIRED: dict[HandshakeType, tuple[str, str]] = {
    HandshakeType.META: ("verify_token", "verifyToken"),
    HandshakeType.CLOUDEVENTS: ("allowed_origins", "allowedOrigins"),
    HandshakeType.SNS: ("topic_arns", "topicArns"),
    HandshakeType.WEBSUB: ("topics", "topics"),
    HandshakeType.CUSTOM: ("when", "when"),
}
CONTENT_TYPES = ("text/plain", "application/json")


def parse_handshakes(
    raw: object, *, preset: str | None = None, path: str = "handshake"
) -> tuple[tuple[Handshake, ...], tuple[Problem, ...]]:
    """Return the trigger's handshakes, and every problem with its property path."""
    if raw is None or raw == "AUTO":
        return tuple(Handshake(type=kind) for kind in IMPLIED.get(preset or "", ())), ()
    if raw == "NONE":
        return (), ()
    if not isinstance(raw, list | tuple):
        return (), (Problem(path, "must be AUTO, NONE or a list, e.g. [{type: META, verifyToken: ...}]"),)
    items = list(cast("Sequence[object]", raw))
    read = [_read(item, f"{path}[{index}]") for index, item in enumerate(items)]
    problems = tuple(problem for _, found in read for problem in found)
    return tuple(one for one, _ in read if one is not None), problems


def _read(item: object, path: str) -> tuple[Handshake | None, list[Problem]]:
    raw = {"type": item} if isinstance(item, str) else item
    handshake, problems = read_settings(Handshake, raw, path)
    if handshake is None:
        return None, problems
    _check(problems, handshake, path)
    return (None if problems else handshake), problems


def _check(problems: list[Problem], handshake: Handshake, path: str) -> None:
    name, shown = REQUIRED.get(handshake.type, ("type", "type"))
    missing = not getattr(handshake, name)
    check(problems, f"{path}.{shown}", missing, f"is required for {handshake.type.value}; add it")
    if handshake.type is HandshakeType.CUSTOM:
        check(problems, f"{path}.code", not 200 <= handshake.code <= 299, "must be between 200 and 299")
        unsafe = handshake.content_type.partition(";")[0].strip().lower() not in CONTENT_TYPES
        check(problems, f"{path}.contentType", unsafe, f"must be one of {', '.join(CONTENT_TYPES)}")
    rate = handshake.allowed_rate
    check(problems, f"{path}.allowedRate", rate is not None and rate < 1, "must be at least 1 per minute")
