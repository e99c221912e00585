"""The layout of a flow's graph: nothing overlaps, everything has a place, the same graph has the same picture."""

from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hookledger.api.console.runs.states import Standing
from hookledger.api.console.runs.tabs import framed
from hookledger.api.console.runs.topology import Rect, Topology, topology
from hookledger.runtime.flow.graph import Graph, graph_of
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.tasks.registry import installed
from tests.runtime.histories import made_flow

LOG = "io.kestra.plugin.core.log.Log"


def log(name: str, indent: int, *, dash: bool = True) -> str:
    return f"{' ' * indent}{'- ' if dash else ''}{{id: {name}, type: {LOG}, message: x}}\n"


def graph(tasks: str) -> Graph:
    source = f"id: f\nnamespace: io.tests\ntasks:\n{tasks}"
    return graph_of(parse_flow(source, file="f.yaml", registry=installed()))


def places(picture: Topology) -> dict[str, Rect]:
    return {node.id: rect for node, rect in picture.boxes}


def overlap(one: Rect, other: Rect) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.bottom
        and other.y < one.bottom
    )


def test_a_sequence_stands_in_one_column() -> None:
    """
    What comes after stands below, under the middle of what comes before.
    """
    found = places(topology(graph(log("a", 2) + log("b", 2) + log("c", 2))))
    assert found["a"].middle == found["b"].middle == found["c"].middle
    assert found["a"].bottom < found["b"].y < found["b"].bottom < found["c"].y


def test_what_runs_at_once_stands_side_by_side() -> None:
    """
    Children of a Parallel share a row; a Dag has a row for each depth of its dependencies.
    """
    parallel = (
        "  - id: p\n    type: io.kestra.plugin.core.flow.Parallel\n    tasks:\n" + log("a", 6) + log("b", 6)
    )
    found = places(topology(graph(parallel)))
    assert found["p/a"].y == found["p/b"].y > found["p"].bottom
    dag = "  - id: d\n    type: io.kestra.plugin.core.flow.Dag\n    tasks:\n" + "".join(
        f"      - task: {log(name, 0, dash=False).strip()}\n        dependsOn: {waits}\n"
        for name, waits in (("a", "[]"), ("b", "[a]"), ("c", "[a]"), ("e", "[b, c]"))
    )
    rows = {name: rect.y for name, rect in places(topology(graph(dag))).items()}
    assert rows["d/a"] < rows["d/b"] == rows["d/c"] < rows["d/e"]


def test_branches_have_their_names_above_them() -> None:
    """
    An If shows `then` and `else` side by side, each under its name.
    """
    choice = (
        "  - id: i\n    type: io.kestra.plugin.core.flow.If\n    condition: x\n    then:\n"
        + log("a", 6) + "    else:\n" + log("b", 6)
    )  # fmt: skip
    picture = topology(graph(choice))
    assert [label.text for label in picture.labels] == ["then", "else"]
    assert places(picture)["i/a"].y == places(picture)["i/b"].y


def test_fifty_tasks_at_once_go_on_in_the_next_row() -> None:
    """
    A row has a bounded width: a wide Parallel becomes several rows instead of a picture nobody can see.
    """
    wide = "  - id: p\n    type: io.kestra.plugin.core.flow.Parallel\n    tasks:\n" + "".join(
        log(f"t{n}", 6) for n in range(50)
    )
    picture = topology(graph(wide))
    assert picture.width < 1200
    assert len({rect.y for node, rect in picture.boxes if node.parent}) == 10
    assert_sound(picture)


def assert_sound(picture: Topology) -> None:
    """No box covers another, frames hold what is inside them, everything is on the sheet."""
    sheet = Rect(0, 0, picture.width, picture.height)
    boxes = places(picture)
    for one, other in combinations(boxes.values(), 2):
        assert not overlap(one, other)
    for node, frame in picture.frames:
        for name, rect in boxes.items():
            assert inside(rect, frame) if name.startswith(f"{node.id}/") else True
            assert overlap(rect, frame) == (name == node.id or name.startswith(f"{node.id}/"))
    assert all(inside(rect, sheet) for rect in boxes.values())


def inside(rect: Rect, frame: Rect) -> bool:
    return (
        frame.x <= rect.x
        and rect.x + rect.width <= frame.x + frame.width
        and frame.y <= rect.y
        and rect.bottom <= frame.bottom
    )


@given(st.integers(0, 1_000_000))
@settings(max_examples=60, deadline=None)
def test_any_flow_has_a_sound_picture(seed: int) -> None:
    """
    Boxes never overlap, frames hold their own and nothing else, and drawing twice draws the same.
    """
    drawn = graph_of(made_flow(seed))
    picture: Any = topology(drawn)
    assert_sound(picture)
    assert topology(drawn) == picture
    assert {node.id for node, _ in picture.boxes} == {node.id for node in drawn.nodes}
    assert len(picture.arrows) == len(drawn.edges)


def test_a_flowable_without_events_stands_as_what_is_inside_it() -> None:
    """
    A Parallel records nothing itself: it shows the most urgent state of its children.
    """
    parallel = (
        "  - id: p\n    type: io.kestra.plugin.core.flow.Parallel\n    tasks:\n" + log("a", 6) + log("b", 6)
    )
    known = {
        "p/a": Standing(state="SUCCESS", counts=(("SUCCESS", 1),)),
        "p/b": Standing(state="FAILED", counts=(("FAILED", 1),), attempts=3),
    }
    assert framed(graph(parallel), known)["p"].text == "FAILED"
