"""A flow as those see it who may not start executions: with its literal secrets blotted out, in every form it is shown.

Whoever reads a webhook's key can start its flow, so only who may do so is shown it. A reference such as
`{{ secret('NAME') }}` is no secret and stays.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

import msgspec
import trio
import yaml

from hookledger.actors.flows import Revision
from hookledger.actors.limiters import limiter
from hookledger.api.identity.identity import Identity
from hookledger.api.permissions import Permission
from hookledger.api.webhook.redaction import REDACTED, SECRET_HEADERS
from hookledger.journal.events import FlowRegistered
from hookledger.runtime.flow.source import SourceInvalid, load
from hookledger.runtime.flow.texts import as_text

Step: TypeAlias = str | int
Path: TypeAlias = tuple[Step, ...]
Place: TypeAlias = tuple[Path, yaml.ScalarNode]

NAMES: Final = frozenset(
    {
        "password", "passphrase", "secret", "secrets", "token", "verifytoken", "bearer", "bearertoken", "accesstoken",
        "refreshtoken", "apikey", "accesskey", "secretkey", "secretaccesskey", "privatekey", "clientsecret",
        "signingkey",
        *(name.replace("-", "") for name in SECRET_HEADERS),
    }
)  # fmt: skip
"""Properties whose values are secrets wherever they stand: in lower case, without `-` and `_`."""
REFERENCE: Final = re.compile(
    r"""\s*(?:\{\{\s*(?:(?:secret|kv)\(\s*['"][\w. -]+['"]\s*\)|[A-Za-z_][\w.]*)(?:\s*\|\s*\w+)*\s*\}\}\s*)+"""
)
VARIABLE: Final = re.compile(r"""\bvars\s*(?:\.\s*|\[\s*['"])([\w-]+)""")
PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)+")
"""The anchor and the tag in front of a value."""
CHARS_MIN: Final = 6
"""What is shorter is blotted out only where it stands as a value: elsewhere it is part of many words."""
WITHHELD: Final = "# this source is no YAML any more; it is shown to those who may start executions\n"
UNTOLD: Final = "it cannot be used here; those who may start executions see why"


async def shown_to(revision: Revision, identity: Identity) -> Revision:
    """A revision as somebody may see it."""
    if identity.may(Permission.OPERATE):
        return revision
    return await trio.to_thread.run_sync(blotted, revision, limiter=limiter("sources"))


async def listed_for(revisions: Iterable[Revision], identity: Identity) -> list[Revision]:
    """Revisions as a list shows and searches them: without literal secrets in descriptions and labels."""
    found = list(revisions)
    if identity.may(Permission.OPERATE):
        return found
    return await trio.to_thread.run_sync(lambda: [_told(one) for one in found], limiter=limiter("sources"))


async def registered_for(
    registered: Sequence[FlowRegistered], identity: Identity
) -> Sequence[FlowRegistered]:
    """The same for registrations."""
    if identity.may(Permission.OPERATE):
        return registered
    return await trio.to_thread.run_sync(
        lambda: [_registered(one) for one in registered], limiter=limiter("sources")
    )


def blotted(revision: Revision) -> Revision:
    """A revision whose source and document show no literal secret."""
    registered, flow = _registered(revision.registered), revision.flow
    if flow is not None:
        document = load(registered.source).data
        document = as_text(document) if isinstance(document, dict) else {}
        flow = msgspec.structs.replace(flow, source=registered.source, document=document)
    return _told(
        msgspec.structs.replace(revision, registered=registered, flow=flow), revision.registered.source
    )


def _told(revision: Revision, source: str = "") -> Revision:
    """Description, labels and error without the literal secrets of the source."""
    flow, values = revision.flow, _words(source or revision.registered.source)
    if flow is not None and values:
        labels = {name: _without(value, values) for name, value in flow.labels.items()}
        flow = msgspec.structs.replace(flow, description=_without(flow.description, values), labels=labels)
    return msgspec.structs.replace(revision, flow=flow, error=UNTOLD if revision.error else "")


def error_for(revision: Revision, identity: Identity) -> str:
    """Why a revision cannot be used; what is wrong may be quoted from the source."""
    return revision.error if identity.may(Permission.OPERATE) else UNTOLD if revision.error else ""


def _registered(registered: FlowRegistered) -> FlowRegistered:
    return msgspec.structs.replace(registered, source=blotted_source(registered.source))


@lru_cache(maxsize=512)
def blotted_source(source: str) -> str:
    """A source with `[redacted]` in the place of each literal secret; all of it is withheld where that fails."""
    try:
        text = _replaced(source.removeprefix("\ufeff"), *_literals(source))
        load(text)
    except (yaml.YAMLError, SourceInvalid):
        return WITHHELD
    return text


@lru_cache(maxsize=4096)
def _words(source: str) -> frozenset[str]:
    """The literal secrets of a source; none of what is no YAML, which is never shown."""
    try:
        return _literals(source)[2]
    except yaml.YAMLError:
        return frozenset()


def _literals(source: str) -> tuple[list[Place], list[yaml.ScalarNode], frozenset[str]]:
    """Every value of a source, those that are literal secrets, and what these are."""
    root = yaml.compose(source.removeprefix("\ufeff"), Loader=yaml.SafeLoader)
    scalars = list(_scalars(root, ()))
    places = literals(root, scalars)
    return scalars, places, frozenset(node.value.strip() for node in places)


def literals(root: yaml.Node | None, scalars: Sequence[Place]) -> list[yaml.ScalarNode]:
    """Where literal secrets stand."""
    secret = {id(node): node for path, node in scalars if is_secret(path)}
    secret |= {id(node): node for node in _sensitive_inputs(root)}
    secret |= _variables(scalars, list(secret.values()))
    return [node for node in secret.values() if node.value and REFERENCE.fullmatch(node.value) is None]


def _replaced(
    text: str, scalars: Sequence[Place], places: Sequence[yaml.ScalarNode], values: frozenset[str]
) -> str:
    """The text without the secrets, where they stand and where they are repeated."""
    new = {node.start_mark.index: (node, REDACTED) for node in places}
    for path, node in scalars:
        named = path[-1:] in (("id",), ("type",), ("namespace",))
        other = REDACTED if node.value.strip() in values and not named else _without(node.value, values)
        if other != node.value:
            new.setdefault(node.start_mark.index, (node, other))
    for start in sorted(new, reverse=True):
        node, value = new[start]
        end = node.end_mark.index
        before = PROPERTIES.match(text, start, end)
        after = "\n" if text[start:end].endswith("\n") else ""
        text = f"{text[: before.end() if before else start]}{json.dumps(value)}{after}{text[end:]}"
    return _without(text, values)


def is_secret(path: Path) -> bool:
    """Whether the property at a path holds a secret by its name and place."""
    names = [step for step in path if isinstance(step, str)]
    last = names[-1] if names else ""
    if names[:1] == ["triggers"] and (
        names[1:] == ["key"] or (names[1:2] == ["previousKeys"] and last != "expires")
    ):
        return True
    if last == "value" and "authentication" in names:
        return True
    return re.sub(r"[-_]", "", last).lower() in NAMES


def _sensitive_inputs(root: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """The defaults of inputs of type SECRET."""
    inputs = _member(root, "inputs")
    for one in inputs.value if isinstance(inputs, yaml.SequenceNode) else ():
        kind = _member(one, "type")
        if isinstance(kind, yaml.ScalarNode) and kind.value.strip().upper() == "SECRET":
            for name in ("defaults", "prefill"):
                yield from (node for _, node in _scalars(_member(one, name), ()))


def _member(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((value for key, value in pairs if key.value == name), None)


def _variables(scalars: Sequence[Place], asked: Sequence[yaml.ScalarNode]) -> dict[int, yaml.ScalarNode]:
    """The flow's variables that secrets refer to, and those that these refer to."""
    found: dict[int, yaml.ScalarNode] = {}
    wanted = {name for node in asked for name in VARIABLE.findall(node.value)}
    while True:
        new = {
            id(node): node
            for path, node in scalars
            if path[:1] == ("variables",) and len(path) > 1 and path[1] in wanted and id(node) not in found
        }
        if not new:
            return found
        found |= new
        wanted |= {name for node in new.values() for name in VARIABLE.findall(node.value)}


def _scalars(node: yaml.Node | None, path: Path) -> Iterator[Place]:
    """Every value with its path; what aliases repeat comes once for each place."""
    match node:
        case yaml.ScalarNode():
            yield path, node
        case yaml.MappingNode():
            for key, value in node.value:
                yield from _scalars(value, path if key.value == "<<" else (*path, str(key.value)))
        case yaml.SequenceNode():
            for index, value in enumerate(node.value):
                yield from _scalars(value, (*path, index))
        case _:
            return


def _without(text: str, values: frozenset[str]) -> str:
    """A text without these words: descriptions and comments repeat them."""
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= CHARS_MIN:
            text = re.sub(rf"(?<![\w-]){re.escape(value)}(?![\w-])", REDACTED, text)
    return text
