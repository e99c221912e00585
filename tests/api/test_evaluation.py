"""Trying an expression against an execution: what the flow could read, and no secret."""

from pathlib import Path
from typing import Any, Final

from hookledger.actors import Ports

from .site import USER, Site, flow, open_site

SECRET: Final = "correct horse battery"
FLOW: Final = flow(
    "s",
    text="{{ secret('PASS') }}",
    more="inputs:\n  - {id: pin, type: SECRET, required: false}\n",
    trigger="    wait: true\n",
)


def ports() -> Ports:
    """Surroundings with one secret."""
    return Ports(secrets=lambda name: SECRET if name == "PASS" else None)


async def evaluated(site: Site, execution: str, text: str | bytes, tail: str = "") -> Any:
    """Ask; the older path says the same."""
    path = f"/api/v1/main/executions/{execution}/actions/eval{tail}"
    answers = [
        await site.client.post(one, content=text, auth=USER, headers={"Content-Type": "text/plain"})
        for one in (path, path.replace("/actions", ""))
    ]
    assert answers[0].json() == answers[1].json()
    return answers[0]


async def test_an_expression_sees_what_the_flow_saw(tmp_path: Path) -> None:
    """
    Outputs, labels and the trigger; what cannot be rendered is an `error`, not a failure of the request.
    """
    async with open_site(tmp_path, {"f": flow("f", text="hi", trigger="    wait: true\n")}) as site:
        execution = (await site.call("f", method="POST", content="body")).json()["id"]
        good = await evaluated(site, execution, "{{ outputs.out.value | upper }} {{ trigger.body }}")
        task = await evaluated(site, execution, "{{ taskrun.id }} {{ task.id }}", f"/{execution}:out")
        bad = await evaluated(site, execution, "{{ nothing.there }}")
        broken = await evaluated(site, execution, "{{ ")
        text = await evaluated(site, execution, b"\xff")
        unknown = [await evaluated(site, "nobody", "x"), await evaluated(site, execution, "x", "/other")]
    assert good.json() == {"result": "HI body"}
    assert task.json() == {"result": f"{execution}:out out"}
    assert set(bad.json()) == set(broken.json()) == {"error"}
    assert (bad.status_code, text.status_code) == (200, 422)
    assert [answer.status_code for answer in unknown] == [404, 404]


async def test_secrets_stay_secret_however_they_are_turned(tmp_path: Path) -> None:
    """
    An expression gets the mask instead of a secret, so that reversing or encoding it gives nothing away.
    """
    async with open_site(tmp_path, {"s": FLOW}, ports=ports()) as site:
        execution = (await site.call("s")).json()["id"]
        for text in (
            "secret('PASS')",
            "secret('PASS') | reverse",
            "secret('PASS') | base64encode",
            "secret('PASS')[0:3]",
        ):
            answer = await evaluated(site, execution, f"{{{{ {text} }}}}")
            assert SECRET not in answer.text
            assert SECRET[::-1] not in answer.text
            assert "Y29ycmVjd" not in answer.text
        assert (await evaluated(site, execution, "{{ secret('PASS') }}")).json() == {"result": "******"}
        assert "error" in (await evaluated(site, execution, "{{ secret('OTHER') }}")).json()
