"""Cost of checking one delivery, for each preset, as a ratio to hashing the same bytes once.

Run: python benchmarks/signatures.py [--rounds N] [--json FILE] [--requests]

The yardstick is hmac.digest(key, body, "sha256"). The body arrives in chunks of
64 KiB, as it would from a socket. Each figure is the best of five rounds, so a
busy machine shows less.

With --requests a whole delivery is measured instead, from the parsed request to the answer with a store in memory,
as a ratio to the same delivery to a webhook without a signature, which is measured in turn with it.
"""

import argparse
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import trio

from hookledger.actors import Engine, Ports
from hookledger.api.http import HttpRequest
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.journal.memory import MemoryStore
from hookledger.runtime.triggers.webhook.signatures import PRESETS, Draft, Scheme, parse_signature, sign

CHUNK = 65_536
NOW = 1_700_000_000
SEED = bytes(range(32)).hex()
PUBLIC = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
SECRETS = {
    "DISCORD": (SEED, PUBLIC), "ONFLEET": ("00ff" * 8, "00ff" * 8),
    "STANDARD_WEBHOOKS": (WHSEC, WHSEC), "SVIX": (WHSEC, WHSEC), "GITLAB": (WHSEC, WHSEC),
}  # fmt: skip
SIZES = {"1 KiB": 1024, "1 MiB": 2**20}


def best_us(run: Callable[[], object], rounds: int) -> float:
    """Return microseconds per call, the best of five rounds."""
    times: list[float] = []
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(rounds):
            run()
        times.append((time.perf_counter() - begun) / rounds)
    return min(times) * 1e6


def checker(preset: str, body: bytes) -> Callable[[], object]:
    """Return one whole check of a delivery that the preset accepts."""
    configured = parse_signature({"preset": preset, "secret": "x"})
    assert configured.scheme is not None
    scheme: Scheme = configured.scheme
    signing, secret = SECRETS.get(preset, ("webhook-secret", "webhook-secret"))
    content = ("Content-Type", "application/json")
    made = sign(scheme, signing, Draft(body=body, now=NOW, headers=(content,)))
    chunks = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    headers = (content, *made.headers)

    def run() -> None:
        verifier = scheme.begin(method="POST", url=made.url, headers=headers, now=NOW, secrets=[secret])
        for chunk in chunks:
            verifier.update(chunk)
        assert verifier.finish().accepted

    return run


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return, for each preset and size, microseconds and the ratio to plain HMAC."""
    found: dict[str, dict[str, float]] = {}
    for label, size in SIZES.items():
        body = b"x" * size
        count = max(3, rounds * 1024 // size) if size > 1024 else rounds
        plain = best_us(partial(hmac.digest, b"webhook-secret", body, "sha256"), count)
        found.setdefault("(plain hmac-sha256)", {}).update({f"{label} us": plain, f"{label} ratio": 1.0})
        for preset in PRESETS:
            took = best_us(checker(preset, body), count)
            found.setdefault(preset, {}).update({f"{label} us": took, f"{label} ratio": took / plain})
    return found


FLOW = """id: {name}
namespace: t
tasks:
  - {{id: out, type: io.kestra.plugin.core.debug.Return, format: done}}
triggers:
  - id: w
    type: io.kestra.plugin.core.trigger.Webhook
    key: k
    fetchType: NONE
"""


PATH = "/api/v1/main/executions/webhook/t"


class Standing:
    """A clock that stands at the moment of signing."""

    def now(self) -> int:
        return NOW * 1_000_000


async def chunked(body: bytes) -> AsyncIterator[bytes]:
    """The body as a socket would give it."""
    for start in range(0, len(body), CHUNK):
        yield body[start : start + CHUNK]


async def deliver(preset: str, body: bytes, rounds: int) -> tuple[float, float]:
    """Microseconds for one delivery without and with the signature, each the best of five rounds in turn.

    Time of this process, not of the day: nothing here waits for anything, and a busy machine should not count.
    """
    signing, secret = SECRETS.get(
        preset, ("webhook-secret-0123456789abcdef", "webhook-secret-0123456789abcdef")
    )
    block = f"    signature: {json.dumps({'preset': preset, 'secret': secret})}\n"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"), ("Host", "localhost"))
    scheme = parse_signature({"preset": preset, "secret": secret}).scheme
    assert scheme is not None
    made = sign(
        scheme,
        signing,
        Draft(body=body, now=NOW, url=f"http://localhost{PATH}/signed/k", headers=headers[:1]),
    )
    signed, query = (*headers, *made.headers), made.url.partition("?")[2]
    async with Engine.open(MemoryStore(), ports=Ports(clock=Standing())) as engine:
        await engine.register(FLOW.format(name="plain"))
        await engine.register(FLOW.format(name="signed") + block)
        handler = WebhookHandler(engine, WebhookLimits(body_bytes_max=2**24, wait_seconds_max=5))

        async def run(name: str, lines: tuple[tuple[str, str], ...], query: str) -> float:
            began = time.process_time()
            for _ in range(rounds):
                request = HttpRequest(
                    method="POST",
                    raw_path=f"{PATH}/{name}/k",
                    raw_query=query,
                    headers=lines,
                    body=chunked(body),
                )
                assert (await handler.handle(request)).status == 200, preset
            return (time.process_time() - began) / rounds

        pairs = [(await run("plain", headers, ""), await run("signed", signed, query)) for _ in range(6)][1:]
    return min(plain for plain, _ in pairs) * 1e6, min(took for _, took in pairs) * 1e6


def measure_requests(rounds: int) -> dict[str, dict[str, float]]:
    """Return, for each preset and size, microseconds and the ratio to the same delivery without a signature."""
    found: dict[str, dict[str, float]] = {}
    for label, size in SIZES.items():
        body, count = b"x" * size, rounds if size == 1024 else max(3, rounds // 10)
        for preset in PRESETS:
            plain, took = trio.run(deliver, preset, body, count)
            found.setdefault(preset, {}).update(
                {f"{label} plain us": plain, f"{label} us": took, f"{label} ratio": took / plain}
            )
    return found


def main() -> None:
    """Print the table; write it as JSON when asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--json", type=Path)
    options.add_argument("--requests", action="store_true", help="whole deliveries instead of checks")
    chosen = options.parse_args()
    found = (measure_requests if chosen.requests else measure)(chosen.rounds)
    columns = list(next(iter(found.values())))
    print(f"{'preset':22}" + "".join(f"{column:>16}" for column in columns))
    for preset, row in found.items():
        print(f"{preset:22}" + "".join(f"{row[column]:16.2f}" for column in columns))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
