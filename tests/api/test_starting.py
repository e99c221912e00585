"""Starting a flow by hand: JSON or a form, labels and revision in the query, and asking beforehand."""

from pathlib import Path
from typing import Any, Final

from .site import USER, Site, open_site

START: Final = "/api/v1/main/executions/io.tests/typed"
TYPED: Final = """id: typed
namespace: io.tests
inputs:
  - {id: name, type: STRING}
  - {id: often, type: INT, required: false}
  - {id: more, type: JSON, required: false}
tasks:
  - {id: out, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.name }} {{ inputs.often ?? 0 }}"}
"""
JSON: Final = {"inputs": {"name": "Ann"}}


async def post(site: Site, path: str, **more: Any) -> Any:
    """Send an authenticated request."""
    return await site.client.post(path, auth=USER, **more)


async def test_a_forms_fields_are_the_inputs(tmp_path: Path) -> None:
    """
    multipart/form-data, as Kestra's clients send it, is typed like any other input; JSON beside it stays.
    """
    fields = {"name": (None, "Ann"), "often": (None, "3"), "more": (None, '{"a": [1]}')}
    async with open_site(tmp_path, {"t": TYPED}) as site:
        form = (await post(site, f"{START}?wait=true", files=fields)).json()
        plain = (await post(site, f"{START}?wait=true", json=JSON)).json()
    assert form["inputs"] == {"name": "Ann", "often": 3, "more": {"a": [1]}}
    assert form["taskRunList"][0]["outputs"] == {"value": "Ann 3"}
    assert plain["state"]["current"] == "SUCCESS"


async def test_the_query_has_labels_and_revision(tmp_path: Path) -> None:
    """
    `labels=key:value` is repeatable, a value may hold a colon; `revision` runs an older one.
    """
    async with open_site(tmp_path, {"t": TYPED}) as site:
        changed = TYPED.replace("id: out", "id: newer")
        await site.client.put(
            "/api/v1/main/flows/io.tests/typed",
            content=changed,
            auth=USER,
            headers={"Content-Type": "text/yaml"},
        )
        path = f"{START}?wait=true&revision=1&labels=ticket:42&labels=url:http://x"
        old = (await post(site, path, json=JSON)).json()
        missing = await post(site, f"{START}?revision=7", json=JSON)
    assert {one["key"]: one["value"] for one in old["labels"]}.items() >= {
        "ticket": "42",
        "url": "http://x",
    }.items()
    assert (old["flowRevision"], old["taskRunList"][0]["taskId"]) == (1, "out")
    assert (missing.status_code, missing.json()["detail"].endswith("io.tests/typed has no revision 7")) == (
        409,
        True,
    )


async def test_inputs_are_checked_without_a_start(tmp_path: Path) -> None:
    """
    `validate` says what is wrong, or which inputs would have a value; the journal stays as it was.
    """
    async with open_site(tmp_path, {"t": TYPED}) as site:
        before = site.journal_bytes()
        good = await post(site, f"{START}/validate", files={"name": (None, "Ann")})
        bad = await post(site, f"{START}/validate", json={"inputs": {"name": "Ann", "often": "many"}})
        assert site.journal_bytes() == before
    assert good.json()["inputs"] == ["more", "name", "often"]
    assert (bad.status_code, "often" in bad.json()["detail"]) == (422, True)


async def test_what_cannot_be_taken_starts_nothing(tmp_path: Path) -> None:
    """
    A file, a broken form, another media type, wishes and labels that are not the caller's: refused with what to do.
    """
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    async with open_site(tmp_path, {"t": TYPED}) as site:
        answers = [
            await post(site, START, files={"name": ("a.txt", b"Ann")}),
            await post(site, START, content=b"--x\r\nbroken", headers=boundary),
            await post(site, START, content=b"", headers={"Content-Type": "multipart/form-data"}),
            await post(
                site,
                START,
                content=b"name=Ann",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            ),
            await post(site, f"{START}?scheduleDate=2030-01-01T00:00:00Z", json=JSON),
            await post(site, f"{START}?breakpoints=out", json=JSON),
            await post(site, f"{START}?kind=TEST", json=JSON),
            await post(site, f"{START}?labels=system.from:elsewhere", json=JSON),
        ]
        assert site.executions() == set()
    assert [answer.status_code for answer in answers] == [422, 422, 422, 415, 422, 422, 400, 422]
    words = (
        "is a file",
        "cannot be read",
        "a `boundary`",
        "send JSON",
        "Schedule trigger",
        "Pause task",
        "kind=TEST",
        "set by the engine",
    )
    for answer, word in zip(answers, words, strict=True):
        assert word in answer.json()["detail"], answer.json()


async def test_no_body_is_as_good_as_an_empty_one(tmp_path: Path) -> None:
    """
    A tool that sends a media type although it sends nothing is not refused for it; a correlation may be given.
    """
    source = TYPED.replace("name, type: STRING", "name, type: STRING, defaults: Bob")
    async with open_site(tmp_path, {"t": source}) as site:
        path = f"{START}?wait=true&labels=system.correlationId:order-7"
        answer = await post(site, path, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 200
    assert {"key": "system.correlationId", "value": "order-7"} in answer.json()["labels"]
