"""Lays a flow's graph out for a drawing. Pure and deterministic: the same graph has the same picture.

Siblings stand below one another in the order of their edges; those that nothing orders stand side by side. A flowable
is a frame with its own box on top and its blocks side by side inside.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from hookledger.runtime.flow.graph import TRIGGERS, Edge, Graph, Node

BOX_WIDTH: Final = 176
BOX_HEIGHT: Final = 46
GAP_X: Final = 24
GAP_Y: Final = 34
PADDING: Final = 14
LABEL_HEIGHT: Final = 20
ROW_WIDTH_MAX: Final = 1000
"""A row of siblings that is wider goes on below."""

_SIDE: Final[tuple[str, ...]] = ("errors", "finally", "afterExecution")


class Rect(msgspec.Struct, frozen=True):
    """A place on the drawing."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """Of its width."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height


class Label(msgspec.Struct, frozen=True):
    """Words above a block."""

    x: float
    y: float
    text: str


class Arrow(msgspec.Struct, frozen=True, kw_only=True):
    """An edge as a curve (the `d` of an SVG path) between named nodes."""

    d: str
    relation: str
    source: str
    target: str


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """The drawing."""

    width: float
    height: float
    boxes: tuple[tuple[Node, Rect], ...]
    frames: tuple[tuple[Node, Rect], ...]
    """Around flowables with children; outer ones first."""
    labels: tuple[Label, ...]
    arrows: tuple[Arrow, ...]


class _Size(msgspec.Struct, frozen=True):
    width: float
    height: float


def topology(graph: Graph) -> Topology:
    """Lay a graph out."""
    return _Layout(graph).drawn()


class _Layout:
    """Sizes from the inside out, places from the outside in."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._blocks: dict[str, dict[str, list[Node]]] = defaultdict(dict)
        for node in graph.nodes:
            self._blocks[node.parent].setdefault(node.block, []).append(node)
        self._rows = {
            (parent, block): _levels(nodes, graph.edges)
            for parent, blocks in self._blocks.items()
            for block, nodes in blocks.items()
        }
        self._sizes: dict[str, _Size] = {}
        self._boxes: list[tuple[Node, Rect]] = []
        self._frames: list[tuple[Node, Rect]] = []
        self._labels: list[Label] = []
        self._outer: dict[str, Rect] = {}
        self._inner: dict[str, Rect] = {}

    def drawn(self) -> Topology:
        blocks = self._blocks[""]
        groups: tuple[tuple[str, ...], ...] = ((TRIGGERS,), ("tasks",), _SIDE)
        present = ([name for name in group if name in blocks] for group in groups)
        rows = [row for row in present if row]
        width = max((self._row_size("", row).width for row in rows), default=BOX_WIDTH)
        y = float(PADDING)
        for row in rows:
            size = self._row_size("", row)
            self._place_blocks("", row, PADDING + (width - size.width) / 2, y, labelled=row[0] in _SIDE)
            y += size.height + GAP_Y
        return Topology(
            width=width + 2 * PADDING,
            height=y - GAP_Y + PADDING if rows else 2 * PADDING,
            boxes=tuple(self._boxes),
            frames=tuple(self._frames),
            labels=tuple(self._labels),
            arrows=tuple(self._arrow(edge) for edge in self._graph.edges),
        )

    # --- sizes -----------------------------------------------------------------------------------------------

    def _size(self, node: Node) -> _Size:
        if node.id not in self._sizes:
            self._sizes[node.id] = self._measured(node)
        return self._sizes[node.id]

    def _measured(self, node: Node) -> _Size:
        blocks = self._blocks.get(node.id)
        if not blocks:
            return _Size(BOX_WIDTH, BOX_HEIGHT)
        inside = self._row_size(node.id, list(blocks))
        width = max(BOX_WIDTH, inside.width) + 2 * PADDING
        return _Size(width, PADDING + BOX_HEIGHT + GAP_Y + inside.height + PADDING)

    def _row_size(self, parent: str, names: Sequence[str]) -> _Size:
        """Of blocks side by side."""
        sizes = [self._block_size(parent, name) for name in names]
        labels = LABEL_HEIGHT if _labelled(names) else 0
        width = sum(size.width for size in sizes) + GAP_X * (len(sizes) - 1)
        return _Size(width, max(size.height for size in sizes) + labels)

    def _block_size(self, parent: str, name: str) -> _Size:
        rows = self._rows[parent, name]
        widths, height = [0.0], 0.0
        for row in self._wrapped(rows):
            sizes = [self._size(node) for node in row]
            widths.append(sum(size.width for size in sizes) + GAP_X * (len(row) - 1))
            height += max(size.height for size in sizes) + GAP_Y
        return _Size(max(widths), max(0.0, height - GAP_Y))

    def _wrapped(self, rows: Sequence[Sequence[Node]]) -> Iterator[list[Node]]:
        for row in rows:
            line: list[Node] = []
            width = 0.0
            for node in row:
                wide = self._size(node).width + GAP_X
                if line and width + wide > ROW_WIDTH_MAX:
                    yield line
                    line, width = [], 0.0
                line.append(node)
                width += wide
            yield line

    # --- places ----------------------------------------------------------------------------------------------

    def _place_blocks(self, parent: str, names: Sequence[str], x: float, y: float, *, labelled: bool) -> None:
        for name in names:
            size = self._block_size(parent, name)
            if labelled:
                self._labels.append(
                    Label(x + size.width / 2, y + LABEL_HEIGHT / 2, name.removeprefix("cases."))
                )
            self._place_rows(parent, name, x, y + (LABEL_HEIGHT if labelled else 0))
            x += size.width + GAP_X

    def _place_rows(self, parent: str, name: str, x: float, y: float) -> None:
        block = self._block_size(parent, name)
        for row in self._wrapped(self._rows[parent, name]):
            sizes = [self._size(node) for node in row]
            width = sum(size.width for size in sizes) + GAP_X * (len(row) - 1)
            left = x + (block.width - width) / 2
            for node, size in zip(row, sizes, strict=True):
                self._place(node, Rect(left, y, size.width, size.height))
                left += size.width + GAP_X
            y += max(size.height for size in sizes) + GAP_Y

    def _place(self, node: Node, rect: Rect) -> None:
        blocks = self._blocks.get(node.id)
        self._outer[node.id] = rect
        if not blocks:
            self._inner[node.id] = rect
            self._boxes.append((node, rect))
            return
        self._frames.append((node, rect))
        box = Rect(rect.middle - BOX_WIDTH / 2, rect.y + PADDING, BOX_WIDTH, BOX_HEIGHT)
        self._inner[node.id] = box
        self._boxes.append((node, box))
        names = list(blocks)
        size = self._row_size(node.id, names)
        top = box.bottom + GAP_Y
        self._place_blocks(node.id, names, rect.middle - size.width / 2, top, labelled=_labelled(names))

    def _arrow(self, edge: Edge) -> Arrow:
        """From a flowable's own box to what is inside it, from its frame to what comes after it."""
        inside = edge.target.startswith(f"{edge.source}/")
        start = (self._inner if inside else self._outer)[edge.source]
        end = self._outer[edge.target]
        x1, y1, x2, y2 = start.middle, start.bottom, end.middle, end.y
        bend = max(12.0, (y2 - y1) / 2)
        return Arrow(
            d=f"M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} {y2 - bend:g} {x2:g} {y2:g}",
            relation=edge.relation,
            source=edge.source,
            target=edge.target,
        )


def _labelled(names: Sequence[str]) -> bool:
    """Blocks have their names above them where there is a choice of them."""
    return len(names) > 1 or names[0] not in ("tasks", TRIGGERS)


def _levels(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[list[Node]]:
    """Siblings in rows: each below everything it comes after."""
    here = {node.id for node in nodes}
    before: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        if edge.source in here and edge.target in here:
            before[edge.target].append(edge.source)
    level: dict[str, int] = {}
    waiting = list(nodes)
    while waiting:
        ready = [node for node in waiting if all(name in level for name in before[node.id])]
        for node in ready or waiting[:1]:  # a circle cannot come from a flow that was read
            level[node.id] = max((level.get(name, -1) + 1 for name in before[node.id]), default=0)
        waiting = [node for node in waiting if node.id not in level]
    rows: list[list[Node]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for node in nodes:
        rows[level[node.id]].append(node)
    return rows
