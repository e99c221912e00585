"""The shape of the YAML: which properties a flow, a task and a trigger may have. Kestra's names throughout."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

FLOW_ID, NAMESPACE, ELEMENT_ID = (
    r"^[a-zA-Z0-9][a-zA-Z0-9._-]*$",
    r"^[a-z0-9][a-z0-9._-]*$",
    r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$",
)
FlowId = Annotated[str, Meta(pattern=FLOW_ID, min_length=1, max_length=100)]
Namespace = Annotated[str, Meta(pattern=NAMESPACE, min_length=1, max_length=150)]
ElementId = Annotated[str, Meta(pattern=ELEMENT_ID, min_length=1, max_length=256)]
PATTERNS = {
    FLOW_ID: "letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
    NAMESPACE: "small letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
    ELEMENT_ID: "letters, digits, `_` and `-`, beginning with a letter or digit",
}
"""What a text that has to match a pattern is made of, in words."""
Level = Literal["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]


class Source(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of the shapes."""


class RetrySource(Source, frozen=True, kw_only=True):
    """`retry`: durations are ISO 8601 (`PT5S`)."""

    type: Literal["constant", "exponential", "random"]
    max_attempt: Annotated[int, Meta(ge=1)] | None = None
    max_attempts: Annotated[int, Meta(ge=1)] | None = None
    max_duration: str | None = None
    interval: str | None = None
    max_interval: str | None = None
    min_interval: str | None = None
    delay_factor: Annotated[float, Meta(gt=0)] = 2.0
    warning_on_retry: bool = False
    behavior: Literal["RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"] = "RETRY_FAILED_TASK"


class TaskSource(Source, frozen=True, kw_only=True):
    """What every task may have."""

    id: ElementId
    type: str
    description: str | None = None
    retry: dict[str, Any] | None = None
    timeout: str | None = None
    disabled: bool = False
    log_level: Level = "TRACE"
    allow_failure: bool = False
    allow_warning: bool = False
    run_if: str | bool | None = None
    log_to_file: bool = False
    worker_group: Any = None
    plugin_defaults_ref: Any = None
    version: str | None = None


class TriggerSource(Source, frozen=True, kw_only=True):
    """What every trigger may have."""

    id: ElementId
    type: str
    description: str | None = None
    disabled: bool = False
    conditions: list[dict[str, Any]] = []
    when: str | bool | None = None
    inputs: dict[str, Any] | None = None
    labels: dict[str, Any] | list[dict[str, Any]] | None = None
    stop_after: list[str] = []
    log_level: Level | None = None
    log_to_file: bool = False
    worker_group: Any = None
    min_log_level: Level | None = None
    fail_on_trigger_error: bool = False
    allow_concurrent: bool = False
    assets: Any = None
    version: str | None = None
    plugin_defaults_ref: Any = None


class PluginDefaultSource(Source, frozen=True, kw_only=True):
    """`pluginDefaults`: values for every task or trigger of a type (or of a type prefix)."""

    type: str
    values: dict[str, Any] = {}
    forced: bool = False


class ConcurrencySource(Source, frozen=True, kw_only=True):
    """`concurrency`."""

    limit: Annotated[int, Meta(ge=1)]
    behavior: Literal["QUEUE", "CANCEL", "FAIL"] = "QUEUE"


class FlowSource(Source, frozen=True, kw_only=True):
    """A flow."""

    id: FlowId
    namespace: Namespace
    tasks: list[Any]
    description: str | None = None
    disabled: bool = False
    labels: dict[str, Any] | list[dict[str, Any]] | None = None
    inputs: list[dict[str, Any]] = []
    variables: dict[str, Any] = {}
    errors: list[Any] = []
    finally_: list[Any] = msgspec.field(default=[], name="finally")
    after_execution: list[Any] = []
    outputs: list[dict[str, Any]] = []
    triggers: list[Any] = []
    plugin_defaults: list[dict[str, Any]] = []
    task_defaults: list[dict[str, Any]] = []
    concurrency: dict[str, Any] | None = None
    retry: dict[str, Any] | None = None
    revision: int | None = None
    tenant_id: str | None = None
    deleted: bool = False
    draft: bool = False


IGNORED = {
    "workerGroup": "there are no worker groups here",
    "logToFile": "logs are kept beside the journal",
    "version": "task types have no versions here",
    "pluginDefaultsRef": "use `pluginDefaults`",
    "stopAfter": "a trigger goes on until somebody disables it",
}
"""Properties that are accepted so that flows can be carried over, and do nothing: a warning says so."""
IGNORED_OF_TRIGGERS = {
    **IGNORED,
    "minLogLevel": "it is another name of `logLevel`",
    "allowConcurrent": "use the flow's `concurrency`",
    "assets": "there are no assets here",
}
