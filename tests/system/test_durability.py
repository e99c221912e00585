"""What an answer costs the disk, and that a recovered journal has no holes."""

from pathlib import Path

import apsw

from hookledger.actors import Engine
from hookledger.api.app import Settings, make_app
from hookledger.api.identity.guard import open_guard
from hookledger.api.identity.origins import Origins
from hookledger.api.identity.passwords import hash_password
from hookledger.api.identity.users import User, Users
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.journal.sqlite import SqliteStore


class CountingFile(apsw.VFSFile):
    """A file that counts how often it is made durable."""

    def __init__(self, vfs: "CountingVFS", name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        self._vfs = vfs
        super().__init__(vfs.base, name, flags)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.syncs += 1
        super().xSync(flags)


class CountingVFS(apsw.VFS):
    """The operating system's files, with their syncs counted."""

    base = ""

    def __init__(self, name: str) -> None:
        self.name = name
        self.syncs = 0
        super().__init__(name, self.base)

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> CountingFile:  # noqa: N802
        return CountingFile(self, name, flags)


FLOW = """
id: two
namespace: io.tests
tasks:
  - id: one
    type: io.kestra.plugin.core.debug.Return
    format: hi
  - id: two
    type: io.kestra.plugin.core.debug.Return
    format: "{{ outputs.one.value }}!"
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: k
    wait: true
"""
DELIVERIES = 25


async def test_a_waiting_webhook_is_one_fsync(tmp_path: Path) -> None:
    """
    At concurrency 1 every `wait: true` webhook of two pure tasks makes exactly one fsync: its one commit.
    """
    vfs = CountingVFS("counting")
    try:
        async with Engine.open(SqliteStore(tmp_path, vfs=vfs.name)) as engine:
            await engine.register(FLOW)
            handler = WebhookHandler(engine, WebhookLimits(body_bytes_max=1000, wait_seconds_max=60))
            settings = Settings(webhook_auth=False, idle_seconds_max=60)
            users = Users([User(name="u", password=hash_password("p"))])
            app = make_app(engine, handler, await open_guard(engine, users, Origins()), settings)
            client = app.test_client()
            counts: list[int] = []
            for _ in range(DELIVERIES):
                before = vfs.syncs
                response = await client.get("/api/v1/main/executions/webhook/io.tests/two/k")
                assert response.status_code == 200
                counts.append(vfs.syncs - before)
        assert counts == [1] * DELIVERIES
    finally:
        vfs.unregister()
