"""The flows directory: what is loaded, what is reported, what changes while the server runs."""

from pathlib import Path

from hookledger.journal.events import FlowRegistered

from .site import USER, flow, open_site


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
