"""Metrics of executions: what a script prints is served, shown and in the journal."""

from pathlib import Path
from typing import Final

from click.testing import CliRunner

from hookledger.api.cli import main
from tests.console.house import console

from .site import USER

FLOW: Final = """
id: m
namespace: io.tests
tasks:
  - id: s
    type: io.kestra.plugin.scripts.shell.Script
    script: |
      echo '::{"metrics": [{"name": "rows", "type": "counter", "value": 7, "tags": {"kind": "<i>new</i>"}}]}::'
      echo '::{"metrics": [{"name": "took", "type": "timer", "value": 1.5}]}::' >&2
      echo '::{"logs": [{"level": "ERROR", "message": "said so"}]}::' >&2
triggers:
  - {id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key, wait: true}
"""


async def test_metrics_are_shown_everywhere(tmp_path: Path) -> None:
    """
    The API has each with its task run, tags and type, by page and filter; the page of outputs and the CLI show them.
    """
    async with console(tmp_path, {"m": FLOW}, tasks__processes=True) as admin:
        site = admin.site
        execution = (await site.call("m")).json()["id"]
        of = f"/api/v1/main/metrics/{execution}"
        every = (await site.client.get(f"{of}?sort=name", auth=USER)).json()
        one = (await site.client.get(f"{of}?sort=value:desc&size=1", auth=USER)).json()
        other = (await site.client.get(f"{of}?taskId=other", auth=USER)).json()
        answers = [
            await site.client.get(f"/api/v1/main/metrics/{end}", auth=USER)
            for end in ("nobody", f"{execution}?sort=size", "names/io.tests/m")
        ]
        lines = (await site.client.get(f"/api/v1/main/logs/{execution}", auth=USER)).json()
        page = (await admin.get(f"/ui/main/executions/io.tests/m/{execution}/outputs")).text
    shown = CliRunner().invoke(main, ["journal", "show", execution, "--data", str(site.data)]).output
    assert [(found["type"], found["name"], found["value"], found["tags"]) for found in every["results"]] == [
        ("counter", "rows", 7.0, {"kind": "<i>new</i>"}),
        ("timer", "took", 1500.0, {}),
    ]
    assert {found["taskRunId"] for found in every["results"]} == {lines[0]["taskRunId"]}
    assert (one["total"], [found["name"] for found in one["results"]]) == (2, ["took"])
    assert other == {"results": [], "total": 0}
    assert [answer.status_code for answer in answers] == [404, 400, 404]
    assert [(line["level"], line["message"]) for line in lines] == [("ERROR", "said so")]
    assert "kind=&lt;i&gt;new&lt;/i&gt;" in page
    assert "rows,kind=<i>new</i>=7" in shown
    assert "took=1.5 s" in shown
