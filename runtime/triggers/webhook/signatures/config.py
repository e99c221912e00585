"""From the `signature:` block of a flow to a scheme, with every problem an author has to know about."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from hookledger.runtime.triggers.webhook.admission.settings import (
    Problem,
    check,
    check_duration,
    duration_seconds,
    read_settings,
)
from hookledger.runtime.triggers.webhook.signatures.model import (
    SECRETS_MAX,
    Algorithm,
    Format,
    SecretEncoding,
    Signature,
    TimestampUnit,
)
from hookledger.runtime.triggers.webhook.signatures.presets import PRESETS
from hookledger.runtime.triggers.webhook.signatures.recipe import Family, Kind, Recipe
from hookledger.runtime.triggers.webhook.signatures.scheme import Scheme
from hookledger.runtime.triggers.webhook.signatures.template import parse_payload, uses

LAYOUT = ("header", "format", "prefix", "algorithm", "encoding", "payload", "timestamp_header", "id_header")
PREFIX_DEFAULT = {Format.PAIRS: "v1", Format.VERSIONED_LIST: "v1"}
GENERIC = Recipe(preset="GENERIC", timestamp_unit=TimestampUnit.AUTO)


class Configured(msgspec.Struct, frozen=True):
    """What loading a `signature:` block gave; without a scheme the flow must not load."""

    signature: Signature | None
    scheme: Scheme | None
    problems: tuple[Problem, ...]


def parse_signature(raw: object, *, path: str = "signature") -> Configured:
    """Read a `signature:` block as YAML gave it; lists all problems, each with its property path."""
    signature, problems = read_settings(Signature, raw, path)
    if signature is None:
        return Configured(None, None, tuple(problems))
    problems = sorted(validate(signature, path=path))
    if any(not problem.warning for problem in problems):
        return Configured(signature, None, tuple(problems))
    return Configured(signature, Scheme(to_recipe(signature)), tuple(problems))


def validate(signature: Signature, *, path: str = "signature") -> list[Problem]:
    """Return what is wrong with a typed block, beyond the types of its properties."""
    problems: list[Problem] = []
    check_duration(problems, f"{path}.tolerance", signature.tolerance)
    _check_secrets(problems, signature, path)
    _check_preset(problems, signature, path)
    if signature.preset is None:
        check(
            problems, f"{path}.header", not signature.header, "is required without `preset`; name the header"
        )
    _check_layout(problems, signature, path)
    return problems


def _check_secrets(problems: list[Problem], signature: Signature, path: str) -> None:
    keys = signature.keys
    both = signature.secret is not None and bool(signature.secrets)
    check(problems, f"{path}.secrets", both, "is set beside `secret`; put all of them into `secrets`")
    check(
        problems, f"{path}.secret", not keys and not signature.jwks_uri,
        "is required; write for example secret: \"{{ secret('NAME') }}\"",
    )  # fmt: skip
    check(
        problems, f"{path}.secrets", len(keys) > SECRETS_MAX,
        f"has {len(keys)} entries; at most {SECRETS_MAX} are checked, remove the old ones",
    )  # fmt: skip
    for name, text in _named_keys(signature):
        check(problems, f"{path}.{name}", not text.strip(), "is empty; an empty secret accepts nothing")


def _named_keys(signature: Signature) -> Iterator[tuple[str, str]]:
    if signature.secret is not None:
        yield "secret", signature.secret
    yield from ((f"secrets[{i}]", text) for i, text in enumerate(signature.secrets))
    yield from ((f"publicKeys[{i}]", text) for i, text in enumerate(signature.public_keys))


def _check_preset(problems: list[Problem], signature: Signature, path: str) -> None:
    preset = signature.preset
    if preset is not None and preset not in PRESETS:
        near = get_close_matches(preset.upper(), PRESETS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(PRESETS))}"
        problems.append(Problem(f"{path}.preset", f"{preset!r} is not a preset; {hint}"))
    check(
        problems, f"{path}.components", signature.components is not None and preset != "RFC9421",
        "is only for preset RFC9421; remove it",
    )  # fmt: skip
    fixed = PRESETS[preset].kind is not Kind.GENERIC if preset in PRESETS else False
    changed = [name for name in LAYOUT if fixed and getattr(signature, name) is not None]
    advice = f"cannot be changed for preset {preset}; remove it"
    problems.extend(Problem(f"{path}.{_camel(name)}", advice) for name in changed)


def _check_layout(problems: list[Problem], signature: Signature, path: str) -> None:
    problem = _payload_problem(signature)
    if problem:
        problems.append(Problem(f"{path}.payload", problem))
        return
    merged = to_recipe(msgspec.structs.replace(signature, tolerance=None))
    family = merged.families[0] if merged.families else Family(signature=())
    missing = merged.format is Format.PREFIXED and not merged.prefix
    check(problems, f"{path}.prefix", missing, "is required with format PREFIXED; write for example sha256=")
    no_time = merged.timed and family.timestamp is None and merged.format is not Format.PAIRS
    check(
        problems, f"{path}.timestampHeader", no_time,
        "is required because the payload uses {timestamp}; name the header that carries it",
    )  # fmt: skip
    no_id = uses(merged.payload, "id") and family.id is None
    check(problems, f"{path}.idHeader", no_id, "is required because the payload uses {id}; name its header")
    if signature.preset is None and merged.algorithm is Algorithm.SHA1:
        advice = "SHA1 is only for senders that offer nothing better; prefer SHA256"
        problems.append(Problem(f"{path}.algorithm", advice, warning=True))
    if merged.algorithm is Algorithm.ED25519 and merged.secret_encoding is SecretEncoding.UTF8:
        advice = "must be HEX, BASE64 or WHSEC with algorithm ED25519 unless the key is PEM or JWK"
        problems.append(Problem(f"{path}.secretEncoding", advice, warning=True))


def _payload_problem(signature: Signature) -> str | None:
    try:
        parse_payload(signature.payload or "{body}")
    except ValueError as error:
        return str(error)
    return None


def to_recipe(signature: Signature) -> Recipe:
    """Lay the author's properties over the preset's, or over the generic defaults."""
    base = PRESETS.get(signature.preset or "", GENERIC)
    changes: dict[str, Any] = {
        name: value
        for name in (
            "format",
            "prefix",
            "algorithm",
            "encoding",
            "timestamp_unit",
            "secret_encoding",
            "components",
        )
        if (value := getattr(signature, name)) is not None
    }
    if signature.prefix is None and signature.format is not None:
        changes["prefix"] = PREFIX_DEFAULT.get(signature.format, base.prefix)
    elif signature.prefix and signature.format is None and base is GENERIC:
        changes["format"] = Format.PREFIXED
    if signature.payload is not None:
        changes["payload"] = parse_payload(signature.payload)
    if signature.tolerance is not None:
        changes["tolerance_seconds"] = duration_seconds(signature.tolerance)
    if signature.methods is not None:
        changes["methods"] = frozenset(method.upper() for method in signature.methods)
    return msgspec.structs.replace(base, **changes, families=_families(base, signature))


def _families(base: Recipe, signature: Signature) -> tuple[Family, ...]:
    own: Mapping[str, Any] = {
        "signature": (signature.header,) if signature.header else None,
        "timestamp": signature.timestamp_header,
        "id": signature.id_header,
    }
    given = {name: value for name, value in own.items() if value is not None}
    families = base.families or (Family(signature=()),)
    return tuple(msgspec.structs.replace(family, **given) for family in families) if given else families


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
