"""Work beside the event loop: what hangs in one place holds up nothing in another."""

import ast
import threading
from pathlib import Path

import trio
import trio.testing

from hookledger.actors.limiters import AT_ONCE, limiter

from .site import flow, open_site

BLOCKED = 60
ROOMS = ("journal", "runtime", "actors", "api")


async def test_webhooks_start_and_commit_while_sixty_calls_hang_in_the_default_threads(
    tmp_path: Path,
) -> None:
    """
    With 60 calls blocked in trio's default threads and every look-up of names taken, webhooks start, keep their
    bodies in files, commit and answer, and a changed flow file is read.
    """
    release = threading.Event()
    stored = flow("stored", trigger="    fetchType: STORE\n    wait: true\n", text="{{ trigger.uri }}")
    async with (
        open_site(tmp_path, {"plain": flow("plain", trigger="    wait: true\n"), "stored": stored}) as site,
        trio.open_nursery() as nursery,
    ):
        for _ in range(BLOCKED):
            nursery.start_soon(lambda: trio.to_thread.run_sync(release.wait))
        for _ in range(AT_ONCE["names"]):
            nursery.start_soon(lambda: trio.to_thread.run_sync(release.wait, limiter=limiter("names")))
        try:
            await trio.testing.wait_all_tasks_blocked(0.05)
            with trio.fail_after(60):
                plain = await site.call("plain")
                kept = await site.call("stored", method="POST", content=b"x" * 3_000_000)
                (site.flows / "new.yaml").write_text(flow("new"))
                await site.line("loaded io.tests/new revision 1")
        finally:
            release.set()
        assert (plain.status_code, kept.status_code) == (200, 200)
        for answer in (plain, kept):
            assert "OutputsResolved" in [type(event).__name__ for event in site.events(answer.json()["id"])]
        assert len(list((site.data / "files").rglob("webhook/*"))) == 1


def test_no_work_goes_to_the_default_threads() -> None:
    """
    Every call of `to_thread.run_sync` names a limiter of its own kind of work.
    """
    root = Path(__file__).resolve().parents[2]
    calls = [
        (f"{path.relative_to(root)}:{call.lineno}", {keyword.arg for keyword in call.keywords})
        for room in ROOMS
        for path in sorted((root / room).rglob("*.py"))
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("to_thread.run_sync")
    ]
    assert len(calls) > 10
    assert [place for place, names in calls if "limiter" not in names] == []
