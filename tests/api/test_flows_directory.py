"""The flows directory: what is loaded, what is reported, what changes while the server runs."""

import errno
import os
from pathlib import Path

import pytest

from hookledger.actors import Engine
from hookledger.api import flows_directory as module
from hookledger.api.flows_directory import FlowsDirectory
from hookledger.journal.events import FlowRegistered, FlowRemoved
from hookledger.journal.memory import MemoryStore

from .site import USER, Site, flow, open_site


async def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    """
    A file that is no flow is reported with file, line, column and reason; its neighbours are served.
    """
    flows = {
        "a-broken": flow("broken", trigger="    returnOutputs: true\n"),
        "b-good": flow("good"),
        "c-no-yaml": "id: [",
        "d-unknown": flow("unknown").replace("debug.Return", "debug.Retrun"),
    }
    async with open_site(tmp_path, flows) as site:
        said = "\n".join(site.said)
        assert f"not loaded: {site.flows}/a-broken.yaml:11:5: " in said
        assert "add `wait: true`" in said
        assert f"not loaded: {site.flows}/c-no-yaml.yaml:1:" in said
        assert f"not loaded: {site.flows}/d-unknown.yaml:5:" in said
        assert "loaded io.tests/good revision 1" in said
        assert (await site.call("good")).status_code == 200
        assert (await site.call("broken")).status_code == 404


async def test_a_changed_file_is_a_new_revision(tmp_path: Path) -> None:
    """
    Saving a file again registers a revision whose source is in the journal; a broken save leaves the old one.
    """
    async with open_site(tmp_path, {"f": flow("f", text="one")}) as site:
        assert (await site.call("f")).json()["flowRevision"] == 1
        changed = flow("f", text="two")
        (site.flows / "f.yaml").write_text(changed)
        await site.line("loaded io.tests/f revision 2")
        assert (await site.call("f")).json()["flowRevision"] == 2
        (site.flows / "f.yaml").write_text(changed + "nonsense: true\n")
        assert "f.yaml:11:1: " in await site.line("not loaded: ")
        assert (await site.call("f")).json()["flowRevision"] == 2
        (site.flows / "sub").mkdir()
        (site.flows / "sub/new.yml").write_text(flow("new"))
        await site.line("loaded io.tests/new revision 1")
        assert (await site.call("new")).status_code == 200
        registered = [event for event in site.events("system") if isinstance(event, FlowRegistered)]
        assert [(event.flow, event.revision) for event in registered] == [("f", 1), ("f", 2), ("new", 1)]
        assert registered[1].source == changed


async def test_the_same_file_after_a_restart_is_no_new_revision(tmp_path: Path) -> None:
    """
    Only a source that differs from the newest revision is one.
    """
    async with open_site(tmp_path, {"f": flow("f")}):
        pass
    async with open_site(tmp_path) as site:
        shown = await site.client.get("/api/v1/main/flows/io.tests/f", auth=USER)
        assert shown.json()["revision"] == 1


def removed(site: Site) -> list[tuple[str, str]]:
    """Which flows the journal says were taken out of service, and by whom."""
    return [(event.flow, event.by) for event in site.events("system") if isinstance(event, FlowRemoved)]


async def test_a_deleted_file_takes_its_flow_out_of_service(tmp_path: Path) -> None:
    """
    Its webhook is unknown from then on and the journal says who removed it; written again, it is a new revision.
    """
    async with open_site(tmp_path, {"f": flow("f"), "g": flow("g")}) as site:
        (site.flows / "f.yaml").unlink()
        await site.line("removed io.tests/f: ")
        assert (await site.call("f")).status_code == 404
        assert (await site.call("g")).status_code == 200
        assert removed(site) == [("f", "cli:serve")]
        (site.flows / "f.yaml").write_text(flow("f"))
        await site.line("loaded io.tests/f revision 2")
        assert (await site.call("f")).status_code == 200


async def test_a_file_deleted_while_nobody_served_it_is_noticed_at_the_start(tmp_path: Path) -> None:
    """
    What came from the directory and is not there at the next start is out of service before anything is answered.
    """
    async with open_site(tmp_path, {"f": flow("f"), "g": flow("g")}) as site:
        (site.flows / "f.yaml").rename(site.flows / "moved.yaml")
        (site.flows / "g.yaml").unlink()
        await site.line("removed io.tests/g: ")
    (tmp_path / "flows/moved.yaml").unlink()
    (tmp_path / "flows/h.yaml").write_text(flow("h"))
    async with open_site(tmp_path) as site:
        assert (await site.call("f")).status_code == 404
        assert (await site.call("h")).status_code == 200
        assert removed(site) == [("g", "cli:serve"), ("f", "cli:serve")]


async def test_only_what_no_file_holds_is_removed(tmp_path: Path) -> None:
    """
    A moved file keeps its flow, a broken save too; a flow that was overwritten by another is gone, and one whose newest
    revision came through the API stays when its file goes.
    """
    files = {name: flow(name) for name in ("moved", "broken", "overwritten", "taken_over")}
    async with open_site(tmp_path, files) as site:
        changed = flow("taken_over", text="by the API")
        answer = await site.client.put(
            "/api/v1/main/flows/io.tests/taken_over", content=changed, auth=USER,
            headers={"Content-Type": "application/x-yaml"},
        )  # fmt: skip
        assert answer.status_code == 200
        (site.flows / "taken_over.yaml").unlink()
        (site.flows / "moved.yaml").rename(site.flows / "elsewhere.yaml")
        (site.flows / "broken.yaml").write_text("id: [")
        (site.flows / "overwritten.yaml").write_text(flow("another"))
        await site.line("removed io.tests/overwritten: ")
        statuses = {name: (await site.call(name)).status_code for name in (*files, "another")}
    assert statuses == {"moved": 200, "broken": 200, "taken_over": 200, "overwritten": 404, "another": 200}


async def test_a_flow_stands_in_one_file(tmp_path: Path) -> None:
    """
    A second file with a flow that another one holds is refused, both are named, and the first one stays, also when its
    name comes later: no revision is made, neither at once nor at the next starts. When the first is gone the second
    counts.
    """
    (tmp_path / "flows").mkdir()
    one, two = tmp_path / "flows/z.yaml", tmp_path / "flows/a.yaml"
    one.write_text(flow("f", text="one"))
    store = tmp_path / "data"
    async with Engine.open(store) as engine:
        directory = FlowsDirectory(engine, tmp_path / "flows")
        assert len(await directory.load()) == 1
        two.write_text(flow("f", text="two"))
        assert await directory.load() == [
            f"not loaded: {two}: {one} holds the flow io.tests/f already; give one of them another id"
        ]
        assert await directory.load() == []
    for _ in range(2):
        async with Engine.open(store) as engine:
            directory = FlowsDirectory(engine, tmp_path / "flows")
            said = await directory.load()
            assert [line.partition(":")[0] for line in said] == [
                f"loaded io.tests/f revision 1 from {one}",
                "not loaded",
            ]
            assert engine.flow("io.tests", "f").revision == 1
    async with Engine.open(store) as engine:
        directory = FlowsDirectory(engine, tmp_path / "flows")
        await directory.load()
        one.write_text(flow("other"))
        said = [*await directory.load(), *await directory.load(), *await directory.load()]
        assert f"loaded io.tests/f revision 2 from {two}" in said
        assert not any(line.startswith("removed") for line in said)


async def test_a_directory_that_cannot_be_read_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    No descriptor left: one line, flows stay, and what changed meanwhile is loaded when the directory can be read again.
    """
    (tmp_path / "flows").mkdir()
    file = tmp_path / "flows/f.yaml"
    file.write_text(flow("f"))
    real = module._found

    def full(directory: Path) -> dict[Path, module.Stamp] | None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    async with Engine.open(MemoryStore()) as engine:
        directory = FlowsDirectory(engine, tmp_path / "flows")
        await directory.load()
        monkeypatch.setattr(module, "_found", full)
        file.write_text(flow("f", text="changed"))
        said = [await directory.load() for _ in range(3)]
        assert said == [
            [f"flows: {tmp_path}/flows cannot be read: Too many open files; flows stay as they are"],
            [],
            [],
        ]
        monkeypatch.setattr(module, "_found", real)
        assert await directory.load() == [f"loaded io.tests/f revision 2 from {file}"]


async def test_a_directory_that_vanishes_takes_nothing_with_it(tmp_path: Path) -> None:
    """
    Without the directory (unmounted, being replaced) nothing is known of its files, so every flow stays in service; a
    file that was gone only for one look has lost nothing either.
    """
    async with Engine.open(MemoryStore()) as engine:
        (tmp_path / "flows").mkdir()
        (tmp_path / "flows/f.yaml").write_text(flow("f"))
        directory = FlowsDirectory(engine, tmp_path / "flows")
        assert len(await directory.load()) == 1
        (tmp_path / "flows").rename(tmp_path / "away")
        assert [await directory.load() for _ in range(3)] == [[], [], []]
        (tmp_path / "away").rename(tmp_path / "flows")
        (tmp_path / "flows/f.yaml").rename(tmp_path / "f.yaml")
        assert await directory.load() == []
        (tmp_path / "f.yaml").rename(tmp_path / "flows/f.yaml")
        await directory.load()
        assert await directory.load() == []
        assert engine.flow("io.tests", "f").revision == 1
