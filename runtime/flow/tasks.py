"""Reads the tasks of a flow: common properties, the type's own ones, nested blocks, defaults, inherited retries."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from hookledger.runtime.durations import bounded_duration, parse_duration
from hookledger.runtime.flow.fields import Collector, check_fields, flags, has_expression, present
from hookledger.runtime.flow.model import Retry, Task
from hookledger.runtime.flow.problems import Path, suggestion
from hookledger.runtime.flow.retries import duration, read_retry
from hookledger.runtime.flow.sources import IGNORED, PluginDefaultSource, TaskSource
from hookledger.runtime.flow.templates import Tree, compile_tree
from hookledger.runtime.tasks.base import TaskKind
from hookledger.runtime.tasks.registry import TaskRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMON = TaskSource.__struct_encode_fields__
DEPTH_MAX = 50


class TaskReader:
    """Reads tasks of one flow; `ids` lists every id met, for the check that they are unique."""

    def __init__(
        self,
        registry: TaskRegistry,
        defaults: Iterable[PluginDefaultSource],
        retry: Retry | None,
        found: Collector,
    ) -> None:
        self._registry = registry
        self._defaults = tuple(defaults)
        self._retry = retry
        self._found = found
        self.ids: list[tuple[str, Path]] = []

    def block(self, data: object, path: Path) -> tuple[Task, ...]:
        """Read a list of tasks; none when there is no list."""
        return self._block(data, path, self._retry, 0)

    def _block(
        self, data: object, path: Path, retry: Retry | None, depth: int, *, wrapped: bool = False
    ) -> tuple[Task, ...]:
        if data is None:
            return ()
        if not isinstance(data, list):
            self._found.add(path, "expected a list of tasks, each beginning with `- id:`")
            return ()
        if depth > DEPTH_MAX:
            self._found.add(path, f"tasks nest deeper than {DEPTH_MAX}; move the inner part into a subflow")
            return ()
        read = self._dependent if wrapped else self._task
        tasks = [read(item, (*path, index), retry, depth) for index, item in enumerate(data)]
        found = [task for task in tasks if task is not None]
        if wrapped:
            self._check_dependencies(found, path)
        return tuple(task for task in found if not task.disabled)

    def _dependent(self, data: object, path: Path, retry: Retry | None, depth: int) -> Task | None:
        """A Dag's item: `task:` and what it depends on."""
        if not isinstance(data, Mapping) or not isinstance(data.get("task"), Mapping):
            self._found.add(
                path, "expected `task:` and, if it has to wait, `dependsOn:` with ids of its siblings"
            )
            return None
        names = data.get("dependsOn") or []
        if not isinstance(names, list) or set(data) - {"task", "dependsOn"}:
            self._found.add(path, "beside `task:` only `dependsOn:`, a list of ids, is known here")
            return None
        task = self._task(data["task"], (*path, "task"), retry, depth)
        if task is None:
            return None
        return msgspec.structs.replace(task, dependencies=tuple(str(name) for name in names))

    def _check_dependencies(self, tasks: list[Task], path: Path) -> None:
        waits = {task.id: set(task.dependencies) for task in tasks}
        for index, task in enumerate(tasks):
            for name in task.dependencies:
                if name not in waits:
                    where = (*path, index, "dependsOn")
                    self._found.add(where, f"`{name}` is no sibling of this task; {suggestion(name, waits)}")
        while ready := [task_id for task_id, names in waits.items() if not names & waits.keys()]:
            for task_id in ready:
                del waits[task_id]
        if waits:
            self._found.add(path, f"these tasks wait for each other for ever: {', '.join(sorted(waits))}")

    def _task(self, data: object, path: Path, retry: Retry | None, depth: int) -> Task | None:
        if not isinstance(data, Mapping):
            self._found.add(path, "expected a task with `id:` and `type:`")
            return None
        kind = self._kind(data, path)
        if kind is None:
            self._common(data, path)
            return None
        data = present(self._with_defaults(data, kind), kind)
        if isinstance(data.get("id"), str):
            self.ids.append((data["id"], path))
        before = len(self._found.problems)
        own_retry = self._common(data, path)
        names = frozenset(COMMON) | {block.partition(".")[0] for block in kind.blocks}
        check_fields(kind, data, path, self._found, elsewhere=names, known=tuple(names))
        self._durations(kind, data, path)
        for problem in kind.problems(data):
            self._found.add((*path, *problem.path), problem.message)
        said = flags(TaskSource, data, path, self._found)
        blocks = self._blocks(kind, data, path, own_retry or retry, depth)
        self._ignored(data, path)
        if len(self._found.problems) > before:
            return None
        return _made({**data, **said}, kind, blocks, own_retry or retry)

    def _common(self, data: Mapping[str, Any], path: Path) -> Retry | None:
        """Check what every task may have, of whatever type it is; returns its own `retry`."""
        found = self._found
        check_fields(
            TaskSource, _only(data, COMMON), path, found, elsewhere={"retry"} | ({"type"} - data.keys())
        )
        return read_retry(data.get("retry"), (*path, "retry"), found)

    def _durations(self, kind: type[TaskKind], data: Mapping[str, Any], path: Path) -> None:
        """A duration that holds no expression is known to be one, or not, before anything runs."""
        limits = ("timeout", *kind.limits)
        for name in (*limits, *kind.durations):
            value: Any = data
            for step in name.split("."):
                value = value.get(step) if isinstance(value, Mapping) else None
            if isinstance(value, str | int | float) and not has_expression(value):
                read = bounded_duration if name in limits else parse_duration
                duration(value, (*path, *name.split(".")), self._found, read)

    def _kind(self, data: Mapping[str, Any], path: Path) -> type[TaskKind] | None:
        name = data.get("type")
        if not isinstance(name, str):
            self._found.add(
                (*path, "type"),
                "`type` is missing; a task says what it is, such as `type: io.kestra.plugin.core.log.Log`",
            )
            return None
        kind = self._registry.find(name)
        if kind is None:
            self._found.add((*path, "type"), f"unknown task type `{name}`; {_meant(name, self._registry)}")
        return kind

    def _blocks(
        self, kind: type[TaskKind], data: Mapping[str, Any], path: Path, retry: Retry | None, depth: int
    ) -> dict[str, tuple[Task, ...]]:
        blocks: dict[str, tuple[Task, ...]] = {}
        for name, value, where in kind_blocks(kind, data, path):
            if name in kind.single:
                one = self._task(value, where, retry, depth + 1)
                blocks[name] = (one,) if one is not None and not one.disabled else ()
            else:
                wrapped = name in kind.wrapped
                blocks[name] = self._block(value, where, retry, depth + 1, wrapped=wrapped)
        return blocks

    def _with_defaults(self, data: Mapping[str, Any], kind: type[TaskKind]) -> Mapping[str, Any]:
        merged = dict(data)
        for default in self._defaults:
            if any(name == default.type or name.startswith(f"{default.type}.") for name in kind.types):
                merged = merged | default.values if default.forced else default.values | merged
        return merged

    def _ignored(self, data: Mapping[str, Any], path: Path) -> None:
        for name, why in IGNORED.items():
            if name in data:
                self._found.warn((*path, name), f"`{name}` has no effect: {why}")


def kind_blocks(
    kind: type[TaskKind], data: Mapping[str, Any], path: Path
) -> "Iterator[tuple[str, Any, Path]]":
    """Yield the blocks an author gave; a block named `cases.*` is a map of lists, one per case."""
    for name in kind.blocks:
        base, star, _ = name.partition(".")
        value = data.get(base)
        if value is None:
            continue
        if star and isinstance(value, Mapping):
            for case, tasks in value.items():
                yield f"{base}.{case}", tasks, (*path, base, case)
        elif not star:
            yield base, value, (*path, base)


def _made(
    data: Mapping[str, Any], kind: type[TaskKind], blocks: dict[str, tuple[Task, ...]], retry: Retry | None
) -> Task:
    own = {
        name: value
        for name, value in data.items()
        if name not in COMMON and name not in {block.partition(".")[0] for block in kind.blocks}
    }
    return Task(
        id=str(data["id"]),
        type=data["type"],
        kind=kind,
        properties=compile_tree(own | kind.derived(blocks)),
        blocks=blocks,
        description=data.get("description") or "",
        disabled=bool(data.get("disabled", False)),
        run_if=_text_tree(data.get("runIf")),
        timeout=_text_tree(data.get("timeout")),
        retry=retry,
        allow_failure=bool(data.get("allowFailure", False)),
        allow_warning=bool(data.get("allowWarning", False)),
        log_level=data.get("logLevel") or "TRACE",
    )


def _text_tree(value: object) -> Tree | None:
    if value is None:
        return None
    return compile_tree(str(value).lower() if isinstance(value, bool) else str(value))


def _only(data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in names}


def _meant(name: str, registry: TaskRegistry) -> str:
    """The same class name in another package is what people usually meant."""
    short = name.rpartition(".")[2].lower()
    same = [known for known in registry.names() if known.rpartition(".")[2].lower() == short]
    return f"did you mean `{same[0]}`?" if same else suggestion(name, registry.names())
