"""Raw requests of all kinds against a real server: no hang, no growth, no 5xx but the documented ones.

Run: python tests/fuzz/fuzz_webhook.py [--requests 100000] [--seed 1] [--connections 16]

Prints the answers by status, the slowest one, and the server's memory before and after. Exit code 1 when a request
got no answer, an undocumented status, or memory grew by more than 64 MiB.
"""

import argparse
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

WEBHOOK = "io.kestra.plugin.core.trigger.Webhook"
HOOK = "/api/v1/main/executions/webhook"
TASKS = (
    "tasks:\n  - {id: out, type: io.kestra.plugin.core.debug.Return, format: \"{{ trigger.body ?? '' }}\"}\n"
)
TRIGGERS = {
    "plain": "",
    "wait": "wait: true",
    "signed": "signature: {preset: STRIPE, secret: s3cret-s3cret}",
    "standard": "signature: {preset: STANDARD_WEBHOOKS, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}",
    "rfc": "signature: {preset: RFC9421, secret: a shared secret of thirty-two bytes!}",
    "twilio": "signature: {preset: TWILIO, secret: '12345'}",
    "auth": "authentication: [{type: BASIC, username: u, password: p-p-p-p}, {type: BEARER, token: t-t-t-t}]",
    "dedup": "deduplication: {}",
    "strict": "strictJson: true\n    schema: {type: object, required: [a]}",
    "events": "cloudEvents: AUTO",
    "cors": "cors: {origins: ['*']}",
    "store": "fetchType: STORE",
    "shake": "handshake: [GRAPH, DROPBOX, OKTA, {type: META, verifyToken: abc}, {type: X, secret: abcd}]",
    "own": 'wait: true\n    response: {code: "{{ trigger.parameters.c[0] ?? 200 }}", body: "{{ trigger.body ?? 1 }}"}',
    "small": "bodyLimit: 1KiB\n    accept: [application/json, text/*]",
}
DOCUMENTED = {
    200, 201, 202, 204, 400, 401, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429, 431, 501, 503,
}  # fmt: skip
"""400, 414, 431 and 501 also come from the HTTP parser in front. 500: only `own`, a response that cannot be sent."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "FOO", "post")
NAMES = (
    "Content-Type", "Content-Encoding", "Authorization", "Idempotency-Key", "Prefer", "Stripe-Signature", "webhook-id",
    "webhook-timestamp", "webhook-signature", "Signature", "Signature-Input", "Content-Digest", "X-Twilio-Signature",
    "ce-specversion", "ce-id", "ce-source", "ce-type", "Origin", "Access-Control-Request-Method", "traceparent",
    "tracestate", "X-Forwarded-For", "Forwarded", "WebHook-Request-Origin", "Cookie", "X-Kestra-Test-Event", "Host",
    "Last-Event-ID", "Accept", "X-Okta-Verification-Challenge",
)  # fmt: skip
VALUES = (
    b"", b"application/json", b"multipart/form-data; boundary=b", b"multipart/form-data; boundary=", b"gzip", b"deflate",
    b"br", b"Basic dTpwLXAtcC1w", b"Basic !!!", b"Bearer t-t-t-t", b"Bearer", b"wait=0", b"respond-async", b"wait=abc",
    b"t=1,v1=zz", b"t=1700000000,v1=" + b"0" * 64, b"v1,AAAA", b"v1a,AAAA v1,!!", b"1700000000", b"nan", b"\xff\xfe",
    b"sig1=:AAAA:", b'sig1=("@method");created=1', b"1.0", b"application/cloudevents+json", b"*", b"https://a.example",
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", b"127.0.0.1, [::1]:80", b"for=unknown", b"text/html",
    b"application/cloudevents-batch+json", b"\t ", b"a" * 5000, b"POST", b"sha-256=:AAAA:",
)  # fmt: skip
BODIES = (
    b"", b"{}", b'{"a":1}', b"[1,2", b"null", b'{"a":' * 200, b"\xff\x00\xfe", b"a=b&c=%zz", b"x" * 3000, b"[" * 5000,
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="../x"\r\n\r\nabc\r\n--b--\r\n', b"--b\r\n\r\n",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff", b'{"specversion":"1.0","id":"1","source":"s","type":"t"}', b"1e999",
    '{"ключ":"\\ud800"}'.encode(), b'[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent"}]',
)  # fmt: skip
QUERIES = (
    "", "?c=201", "?c=abc", "?c=99", "?a=1&a=2", "?%ff=%zz", "?challenge=<b>", "?validationToken=a%0d%0ab", "?&&==&",
    "?hub.mode=subscribe&hub.verify_token=abc&hub.challenge=1", "?crc_token=1", "?access_token=x", "?" + "q" * 3000,
)  # fmt: skip


def request(chance: random.Random) -> tuple[bytes, bool]:
    """One request, and whether its framing is as it should be: a broken one may be cut off without an answer."""
    name = chance.choice(list(TRIGGERS))
    key = "k" if chance.random() < 0.9 else chance.choice(["wrong", "%6b", "k/", "k%2f", "../k", "\x7f"])
    path = f"{HOOK}/t/{name}/{key}{chance.choice(QUERIES)}".encode("latin-1")
    body = chance.choice(BODIES) if chance.random() < 0.8 else chance.randbytes(chance.randrange(4000))
    headers = [b"Host: x"] if chance.random() < 0.97 else []
    more = [(chance.choice(NAMES), chance.choice(VALUES)) for _ in range(chance.randrange(6))]
    headers += [name.encode() + b": " + value for name, value in more]
    if chance.random() < 0.15:
        cut = len(body) // 2
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:cut], body[cut:]) if part)
        headers.append(b"Transfer-Encoding: chunked")
        body = chunks + b"0\r\n\r\n"
    else:
        headers.append(b"Content-Length: %d" % len(body))
    headers.append(b"Connection: close")
    line = (
        chance.choice(METHODS if chance.random() < 0.3 else ("POST",)).encode() + b" " + path + b" HTTP/1.1"
    )
    whole = b"\r\n".join([line, *headers, b"", b""]) + body
    if chance.random() < 0.02:
        place = chance.randrange(len(whole))
        return whole[:place] + chance.randbytes(3) + whole[place:], False
    return whole, True


def exchange(port: int, data: bytes) -> int | None:
    """Send bytes and return the status; None when nothing came back."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall(data)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        except (ConnectionError, TimeoutError):
            return None
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    return int(found[1]) if found else None


def memory_mib(process: int) -> float:
    """Resident memory of a process (Linux)."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def serve(directory: Path) -> tuple["subprocess.Popen[str]", int]:
    """Start a server with one flow for each kind of trigger."""
    flows = directory / "flows"
    flows.mkdir()
    for name, trigger in TRIGGERS.items():
        lines = f"\n    {trigger}" if trigger else ""
        source = (
            f"id: {name}\nnamespace: t\n{TASKS}triggers:\n  - id: w\n    type: {WEBHOOK}\n    key: k{lines}\n"
        )
        (flows / f"{name}.yaml").write_text(source)
    command = [sys.executable, "-c", "from hookledger.api.cli import main; main()", "serve", str(flows)]
    process = subprocess.Popen(
        [*command, "--data", str(directory / "data"), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOOKLEDGER_IDLE_TIMEOUT": "PT1S"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            return process, int(found[1])
    raise SystemExit("the server did not start")


def main() -> None:
    """Run and report."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--requests", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--connections", type=int, default=16)
    chosen = options.parse_args()
    answers: Counter[int | None] = Counter()
    slowest = [0.0]
    failures: list[tuple[int | None, bytes]] = []
    with tempfile.TemporaryDirectory() as directory:
        process, port = serve(Path(directory))

        def work(number: int, count: int) -> None:
            chance = random.Random(f"{chosen.seed}:{number}")
            for _ in range(count):
                (data, intact), began = request(chance), time.monotonic()
                status = exchange(port, data)
                slowest[0] = max(slowest[0], time.monotonic() - began)
                answers[status] += 1
                expected = status in DOCUMENTED or (status == 500 and b"/t/own/" in data)
                if not expected and (intact or status is not None):
                    failures.append((status, data))

        each = chosen.requests // chosen.connections
        warm = [threading.Thread(target=work, args=(-number, 100)) for number in range(1, 5)]
        for thread in warm:
            thread.start()
        for thread in warm:
            thread.join()
        before, began = memory_mib(process.pid), time.monotonic()
        threads = [threading.Thread(target=work, args=(n, each)) for n in range(chosen.connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        spent, after = time.monotonic() - began, memory_mib(process.pid)
        alive = process.poll() is None
        process.terminate()
        process.wait()
    print(
        f"{sum(answers.values())} requests in {spent:.0f} s, slowest {slowest[0]:.2f} s, server alive: {alive}"
    )
    print("  ".join(f"{status}: {count}" for status, count in sorted(answers.items(), key=str)))
    print(f"memory {before:.0f} -> {after:.0f} MiB")
    for status, data in failures[:10]:
        print("FAILED", status, data[:400])
    print(f"{len(failures)} failures")
    raise SystemExit(1 if failures or not alive or after - before > 64 else 0)


if __name__ == "__main__":
    main()
