"""Text wherever Kestra's flows have text, also where an author wrote a number or a boolean: `description: 2`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from hookledger.runtime.flow.fields import scalar_texts

_TEXTS: Final = ("id", "namespace", "description", "displayName", "key")
_PLAIN: Final = ("inputs", "outputs", "triggers", "onResume")
"""Lists whose items hold no tasks."""
_TASKS: Final = ("tasks", "errors", "finally", "afterExecution", "then", "else", "defaults")
_MAPS: Final = ("cases",)
_SINGLE: Final = ("onPause", "task")


def as_text(data: Mapping[str, Any]) -> dict[str, Any]:
    """A flow, or a task, with text in place of scalars where it names or describes something.

    So are all tasks, triggers, inputs and outputs in it; free data stays as it is.
    """
    shown = _named(data)
    shown |= {name: _items(data[name], _named) for name in _PLAIN if name in data}
    shown |= {name: _items(data[name], as_text) for name in _TASKS if name in data}
    shown |= {name: _cases(data[name]) for name in _MAPS if name in data}
    return shown | {name: _one(data[name], as_text) for name in _SINGLE if name in data}


def _named(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: scalar_texts(value) if key in _TEXTS and isinstance(value, bool | int | float) else value
        for key, value in data.items()
    }


def _one(value: Any, change: Callable[[Any], dict[str, Any]]) -> Any:
    return change(value) if isinstance(value, dict) else value


def _items(value: Any, change: Callable[[Any], dict[str, Any]]) -> Any:
    return [_one(item, change) for item in value] if isinstance(value, list) else value


def _cases(value: Any) -> Any:
    return {key: _items(item, as_text) for key, item in value.items()} if isinstance(value, dict) else value
