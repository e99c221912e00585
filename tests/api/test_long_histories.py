"""A long history is shown beside the event loop."""

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
import trio

from hookledger.api import views
from hookledger.journal.events import ExecutionEvent
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.histories import ShownRun, shown_runs
from hookledger.runtime.state import State

from .site import USER, open_site
from .test_operations import API

COUNT = 100
EACH = f"""
id: each
namespace: io.tests
tasks:
  - id: loop
    type: io.kestra.plugin.core.flow.ForEach
    concurrencyLimit: 0
    values: {list(range(COUNT))}
    tasks: [{{id: a, type: io.kestra.plugin.core.debug.Return, format: x}}]
triggers: [{{id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key, wait: true}}]
"""


async def test_a_long_history_is_shown_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Reading an execution with many events, its outputs or its stream makes their view in a thread.
    """
    threads: list[int] = []

    def showing(flow: Flow | None, state: State, events: Iterable[ExecutionEvent]) -> list[ShownRun]:
        threads.append(threading.get_ident())
        return shown_runs(flow, state, events)

    monkeypatch.setattr(views, "shown_runs", showing)
    async with open_site(tmp_path, {"each": EACH}) as site:
        with trio.fail_after(60):
            execution = (await site.call("each")).json()["id"]
            read = await site.client.get(f"{API}/executions/{execution}", auth=USER)
            followed = await site.client.get(f"{API}/executions/{execution}/follow", auth=USER)
            noted = await site.client.post(
                f"{API}/executions/{execution}/note", auth=USER, json={"text": "seen"}
            )
    assert len(read.json()["taskRunList"]) == COUNT + 1
    assert f'"id":"{execution}"' in followed.text
    assert noted.status_code == 200
    assert len(threads) >= 4
    assert threading.get_ident() not in threads
