"""The journal stops under a running server: callers are answered, the log says why in one line, and the server ends."""

import logging
from pathlib import Path

import httpx
import pytest
import trio

from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.sqlite import partition_file

from .site import USER, Site, flow, open_site

SLEEPER = flow(
    "slow",
    more="",
    trigger="    wait: true\n",
).replace(
    "tasks:\n",
    "tasks:\n  - id: nap\n    type: io.kestra.plugin.core.flow.Sleep\n    duration: PT0.5S\n",
)


async def test_waiting_and_later_callers_get_503(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """
    A caller that waits for its execution and one that comes later both get the coded 503; REST callers too; the log
    has one line that names the file.
    """
    answers: dict[str, httpx.Response] = {}

    async def ask(site: Site, name: str, flow_id: str) -> None:
        answers[name] = await site.call(flow_id)

    with pytest.RaisesGroup(JournalPoisoned, flatten_subgroups=True, allow_unwrapped=True):
        async with open_site(tmp_path, {"slow": SLEEPER, "quick": flow("quick")}) as site:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask, site, "waited", "slow")
                await site.until(lambda: len(site.executions()) == 1)
                wal = partition_file(site.data)
                wal.with_name(f"{wal.name}-wal").unlink()
            await ask(site, "later", "quick")
            answers["rest"] = await site.client.post("/api/v1/main/executions/io.tests/quick", auth=USER)
            await trio.sleep_forever()
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 503)
    assert all(answer.headers["retry-after"] == "30" for answer in answers.values())
    (record,) = [found for found in caplog.records if found.levelno >= logging.ERROR]
    assert "partition-0.sqlite3-wal was deleted or moved away" in record.getMessage()


async def test_stored_bodies_are_private(tmp_path: Path) -> None:
    """
    A stored body is 0600 and every directory above it, up to the data directory, is 0700.
    """
    kept = flow("kept", trigger="    fetchType: STORE\n")
    async with open_site(tmp_path, {"kept": kept}) as site:
        assert (await site.call("kept", method="POST", content=b"x" * 100)).status_code == 200
        stored = [path for path in (site.data / "files").rglob("*") if path.is_file()]
        assert [path.stat().st_mode & 0o777 for path in stored] == [0o600]
        above = [path for path in stored[0].parents if path.is_relative_to(site.data)]
        assert {path.stat().st_mode & 0o777 for path in above} == {0o700}
