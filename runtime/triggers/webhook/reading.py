"""Reads a webhook's properties: one small reader per block, every problem at once, each at its place.

The parsers of `signature:`, `schema:` and the like bring cryptography and JSON Schema with them; they are imported
by the first flow that uses them, so that a program which embeds the engine for plain flows does not pay for them.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from hookledger.runtime.charsets import known_charset
from hookledger.runtime.flow.fields import Collector, has_expression
from hookledger.runtime.flow.problems import Path
from hookledger.runtime.flow.templates import compile_tree
from hookledger.runtime.triggers.webhook.settings import METHODS, WebhookSettings

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
_METHODS_KNOWN: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_NEED_WAIT: Final = ("returnOutputs", "responseContentType", "responseCode", "timeout", "onTimeout")


def read_webhook(data: dict[str, Any], path: Path, found: Collector) -> WebhookSettings | None:
    """Check what concerns several properties at once, read the blocks and compile the texts."""
    before = len(found.problems)
    data = _gathered(data, path, found)
    _check_key(data.get("key"), path, found)
    _check_wait(data, path, found)
    _check_code(data.get("responseCode"), path, found)
    blocks = {
        field: value
        for name, (field, reader) in _READERS.items()
        if data.get(name) is not None and (value := reader(data, (*path, name), found)) is not None
    }
    _check_together(data, path, found)
    if len(found.problems) > before:
        return None
    if "handshakes" not in blocks:
        blocks["handshakes"] = _implied_handshakes(data)
    return WebhookSettings(
        key=compile_tree(data["key"]),
        wait=bool(data.get("wait", False)),
        return_outputs=bool(data.get("returnOutputs", False)),
        response_content_type=data.get("responseContentType") or "",
        response_code=compile_tree(data.get("responseCode")),
        raw_body=bool(data.get("rawBody", False)),
        strict_json=bool(data.get("strictJson", False)),
        correlation=compile_tree(data.get("correlation")),
        on_timeout=data.get("onTimeout") or "ACCEPTED",
        public_url=data.get("publicUrl") or "",
        max_pending=data.get("maxPending") or 0,
        record=data.get("record") or "ALL",
        **blocks,
    )


def _gathered(data: dict[str, Any], path: Path, found: Collector) -> dict[str, Any]:
    """Properties that may stand beside their block or in it, in one place."""
    origins = {name: data[name] for name in ("allowedOrigins", "allowedRate") if data.get(name) is not None}
    events, limit = data.get("cloudEvents"), data.get("rateLimit")
    gathered = dict(data)
    if origins and isinstance(events, Mapping):
        found.add(
            (*path, "cloudEvents"), "its origins and rate stand in it or beside it, not both", on_key=True
        )
    elif "allowedRate" in origins and len(origins) == 1:
        found.add((*path, "allowedRate"), "goes with `allowedOrigins`; add them")
    elif origins:
        gathered["cloudEvents"] = {"mode": events or "AUTO", **origins}
    if isinstance(limit, Mapping) and limit.get("maxPending") is not None:
        gathered.setdefault("maxPending", limit["maxPending"])
    return gathered


# --- blocks ---------------------------------------------------------------------------------------------

BlockReader = Callable[[Mapping[str, Any], Path, Collector], Any]


def _told(problems: Iterable[Any], path: Path, found: Collector) -> None:
    """Hand a parser's problems on; their paths begin with the name of the property, which `path` ends with."""
    for problem in problems:
        steps = tuple(int(index) if index else name for name, index in _STEP.findall(problem.path))[1:]
        message = f"`{steps[-1] if steps else path[-1]}` {problem.message}"
        if problem.warning:
            found.warn((*path, *steps), message)
        else:
            found.add((*path, *steps), message)


def _signature(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.settings import SignatureSettings
    from hookledger.runtime.triggers.webhook.signatures import parse_signature

    configured = parse_signature(data["signature"])
    _told(configured.problems, path, found)
    signature = configured.signature
    if configured.scheme is None or signature is None:
        return None
    first = () if signature.secret is None else (signature.secret,)
    return SignatureSettings(
        scheme=configured.scheme,
        secrets=tuple(compile_tree(text) for text in (*first, *signature.secrets)),
        public_keys=tuple(compile_tree(text) for text in signature.public_keys),
        jwks_uri=signature.jwks_uri,
    )


def _authentication(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.admission.authentication import parse_authentication

    _, problems = parse_authentication(data["authentication"])
    _told(problems, path, found)
    return None if problems else tuple(compile_tree(way) for way in data["authentication"])


def _handshakes(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.handshakes import parse_handshakes

    raw = data["handshake"]
    _, problems = parse_handshakes(raw, preset=_preset(data))
    _told(problems, path, found)
    if problems:
        return None
    if not isinstance(raw, list):
        return () if raw == "NONE" else _implied_handshakes(data)
    items = [{"type": item} if isinstance(item, str) else item for item in raw]
    named = any(item["type"] == "CLOUDEVENTS" for item in items if "type" in item)
    return tuple(compile_tree(item) for item in (*items, *(() if named else _agreed_origins(data))))


def _implied_handshakes(data: Mapping[str, Any]) -> tuple[Any, ...]:
    """What the preset's sender asks without being told, and what `cloudEvents` agrees to."""
    agreed = _agreed_origins(data)
    preset = _preset(data)
    if preset is None:
        return tuple(compile_tree(item) for item in agreed)
    from hookledger.runtime.triggers.webhook.handshakes.config import IMPLIED

    implied = ({"type": kind.value} for kind in IMPLIED.get(preset, ()))
    return tuple(compile_tree(item) for item in (*implied, *agreed))


def _agreed_origins(data: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """The handshake that `cloudEvents.allowedOrigins` stands for."""
    if not isinstance(data.get("cloudEvents"), Mapping):
        return ()
    from hookledger.runtime.triggers.webhook.blocks import parse_cloud_events

    source, _ = parse_cloud_events(data["cloudEvents"])
    implied = source.handshake if source is not None else None
    return () if implied is None else (implied,)


def _preset(data: Mapping[str, Any]) -> str | None:
    signature = data.get("signature")
    preset = signature.get("preset") if isinstance(signature, Mapping) else None
    return preset if isinstance(preset, str) else None


def _allowed_ips(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.admission.ip import parse_networks

    networks, problems = parse_networks(data["allowedIps"])
    _told(problems, path, found)
    if not data["allowedIps"]:
        found.add(path, "an empty list would let nobody in; remove it, or use `disabled: true`")
    return networks


def _cors(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.admission.cors import parse_cors

    cors, problems = parse_cors(data["cors"])
    _told(problems, path, found)
    return cors


def _rate_limit(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.admission.ratelimit import parse_rate_limit

    limit, problems = parse_rate_limit(data["rateLimit"])
    _told(problems, path, found)
    return limit


def _schema(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.admission.schema import parse_schema

    schema, problems = parse_schema(data["schema"])
    _told(problems, path, found)
    return schema


def _accept(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.admission.media import check_accept

    _told(check_accept(data["accept"]), path, found)
    return tuple(data["accept"])


def _methods(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    methods = tuple(str(method).upper() for method in data["methods"])
    for index, method in enumerate(methods):
        if method not in _METHODS_KNOWN:
            found.add((*path, index), f"`{method}` cannot start a flow; known: {', '.join(_METHODS_KNOWN)}")
    if not methods:
        found.add(path, "an empty list would take no request at all; remove it, or use `disabled: true`")
    return methods


def _body_limit(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.admission.settings import size_bytes

    try:
        return size_bytes(data["bodyLimit"])
    except ValueError as error:
        found.add(path, str(error))
        return None


def _timeout(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.durations import DurationInvalid, parse_duration

    try:
        timeout = parse_duration(str(data["timeout"]))
    except DurationInvalid as error:
        found.add(path, str(error))
        return None
    if timeout <= 0:
        found.add(path, "the time to wait must be longer than zero, e.g. PT25S")
    return timeout


def _fetch(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    """Kestra takes it in either case."""
    return str(data["fetchType"]).upper()


def _charset(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    name = str(data["charset"])
    if known_charset(name) is None:
        found.add(path, f"`{name}` is no charset; write for example UTF-8, ISO-8859-1 or windows-1252")
    return name


def _deduplication(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.blocks import parse_deduplication

    made, problems = parse_deduplication(data["deduplication"])
    _told(problems, path, found)
    return made


def _response(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.blocks import parse_response

    made, problems = parse_response(data["response"], wait=bool(data.get("wait", False)))
    _told(problems, path, found)
    return made


def _cloud_events(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.blocks import parse_cloud_events

    source, problems = parse_cloud_events(data["cloudEvents"])
    _told(problems, path, found)
    return None if source is None else source.mode


def _batch(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.blocks import parse_batch

    made, problems = parse_batch(data["batch"])
    _told(problems, path, found)
    if made is not None and made.each:
        _check_each(data, path, found)
    return made


def _check_each(data: Mapping[str, Any], path: Path, found: Collector) -> None:
    """One delivery, several executions, one answer: nobody can wait for it, and each keeps its own item only."""
    if data.get("wait") is True:
        found.add(
            path,
            "mode EACH starts several executions and their caller gets one answer; remove `wait: true`, "
            "or use `mode: SINGLE`",
            on_key=True,
        )
    if data.get("rawBody") is True:
        found.add(
            (*path[:-1], "rawBody"), "`rawBody` is the whole delivery; remove it, or use `mode: SINGLE`"
        )


def _mismatch(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.blocks import parse_mismatch

    made, problems = parse_mismatch(data["onMismatch"])
    _told(problems, path, found)
    return made


def _redact(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.blocks import parse_redact

    made, problems = parse_redact(data["redact"])
    _told(problems, path, found)
    return made


def _previous_keys(data: Mapping[str, Any], path: Path, found: Collector) -> Any:
    from hookledger.runtime.triggers.webhook.blocks import parse_previous_keys

    made, problems = parse_previous_keys(data["previousKeys"])
    _told(problems, path, found)
    return made


_READERS: Final[dict[str, tuple[str, BlockReader]]] = {
    "signature": ("signature", _signature),
    "authentication": ("authentication", _authentication),
    "handshake": ("handshakes", _handshakes),
    "allowedIps": ("allowed_ips", _allowed_ips),
    "cors": ("cors", _cors),
    "rateLimit": ("rate_limit", _rate_limit),
    "schema": ("schema", _schema),
    "accept": ("accept", _accept),
    "methods": ("methods", _methods),
    "bodyLimit": ("body_limit", _body_limit),
    "timeout": ("timeout", _timeout),
    "deduplication": ("deduplication", _deduplication),
    "cloudEvents": ("cloud_events", _cloud_events),
    "fetchType": ("fetch", _fetch),
    "batch": ("batch", _batch),
    "charset": ("charset", _charset),
    "response": ("response", _response),
    "onMismatch": ("on_mismatch", _mismatch),
    "redact": ("redaction", _redact),
    "previousKeys": ("previous_keys", _previous_keys),
}
"""Property, the field of WebhookSettings it becomes, and its reader."""


# --- rules over several properties ----------------------------------------------------------------------


def _check_key(key: object, path: Path, found: Collector) -> None:
    if isinstance(key, str) and not key.strip():
        found.add(
            (*path, "key"),
            "the key is the webhook's secret and may not be empty; `openssl rand -hex 16` makes a good one",
        )


def _check_wait(data: dict[str, Any], path: Path, found: Collector) -> None:
    """These shape the answer of a finished execution; without `wait` there is none to shape."""
    if data.get("wait") is True:
        return
    for name in _NEED_WAIT:
        if data.get(name) not in (None, False):
            found.add(
                (*path, name),
                f"`{name}` needs the answer to wait for the execution; add `wait: true`",
                on_key=True,
            )


def _check_code(code: object, path: Path, found: Collector) -> None:
    if code is None or has_expression(code):
        return
    if not str(code).isdecimal() or not 200 <= int(str(code)[:4]) <= 599:
        found.add((*path, "responseCode"), f"{code} cannot end a request; use a status from 200 to 599")


_IN_MEMORY = "`{}` needs the body in memory; use `fetchType: FETCH`"


def _check_together(data: dict[str, Any], path: Path, found: Collector) -> None:
    if str(data.get("fetchType") or "FETCH").upper() in ("STORE", "NONE"):
        for name in ("schema", "strictJson", "rawBody", "batch", "charset"):
            if data.get(name) not in (None, False):
                found.add((*path, name), _IN_MEMORY.format(name), on_key=True)
        redact = data.get("redact")
        if isinstance(redact, dict) and redact.get("pointers") and str(data["fetchType"]).upper() == "STORE":
            found.add((*path, "redact", "pointers"), _IN_MEMORY.format("pointers"), on_key=True)
    methods = data.get("methods") or METHODS
    if isinstance(methods, list) and "HEAD" in methods and data.get("wait"):
        found.warn((*path, "methods"), "HEAD starts executions here and its caller sees no body")
