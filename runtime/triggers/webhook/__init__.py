"""Settings of the Webhook trigger."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from hookledger.runtime.flow.fields import Collector
from hookledger.runtime.flow.problems import Path
from hookledger.runtime.flow.templates import Tree, compile_tree

KEY_LENGTH_MAX = 256


class WebhookSource(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What an author may write for a webhook, beside what every trigger has."""

    types: ClassVar[tuple[str, ...]] = (
        "io.kestra.plugin.core.trigger.Webhook",
        "io.kestra.core.models.triggers.types.Webhook",
    )

    key: Annotated[str, Meta(max_length=KEY_LENGTH_MAX)]
    wait: bool = False
    return_outputs: bool = False
    response_content_type: Literal["application/json", "text/plain"] | None = None
    response_code: int | str | None = None


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A checked webhook."""

    key: Tree
    wait: bool = False
    return_outputs: bool = False
    response_content_type: str = ""
    response_code: Tree = None


_NEED_WAIT = ("returnOutputs", "responseContentType", "responseCode")


def read_webhook(data: dict[str, Any], path: Path, found: Collector) -> WebhookSettings | None:
    """Check what concerns several properties at once and compile the texts."""
    before = len(found.problems)
    _check_key(data.get("key"), path, found)
    _check_wait(data, path, found)
    _check_code(data.get("responseCode"), path, found)
    if len(found.problems) > before:
        return None
    return WebhookSettings(
        key=compile_tree(data["key"]),
        wait=bool(data.get("wait", False)),
        return_outputs=bool(data.get("returnOutputs", False)),
        response_content_type=data.get("responseContentType") or "",
        response_code=compile_tree(data.get("responseCode")),
    )


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
    if isinstance(code, int) and not isinstance(code, bool) and not 200 <= code <= 599:
        found.add((*path, "responseCode"), f"{code} cannot end a request; use a status from 200 to 599")
