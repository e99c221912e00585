"""Raw requests and deliveries of all kinds against a real server: no hang, no growth, no 5xx but the documented ones.

Run: make fuzz [REQUESTS=200000] [SEED=1]
 or: python tests/fuzz/fuzz_webhook.py [--requests 200000] [--seed 1] [--connections 12] [--health 0.5]

Half are bytes as nobody should send them: broken heads, prefaces, upgrades, wrong lengths. Half are deliveries that are
well formed and hard to digest, several on one connection: charsets, encodings, schemas, patterns, expressions, sizes up
to the server's limit.
`/health` is asked all the time by a process of its own. Prints, for each quarter, the answers, the slowest `/health`, the
server's memory and descriptors. Exit code 1 when a request got no answer or an undocumented status, `/health` took longer
than its bound, or memory or descriptors after the last quarter are more than 5 % above those after the first.
"""

import argparse
import gzip
import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing import Pool
from pathlib import Path
from typing import Final, NamedTuple

WEBHOOK = "io.kestra.plugin.core.trigger.Webhook"
HOOK = "/api/v1/main/executions/webhook"
GROWTH_MAX: Final = 1.05
IDLE: Final = 0.2
"""CPU seconds in two seconds that a server without work may need."""
SECONDS_MAX: Final = 60
"""Without a byte from the server; then there is no answer."""
BODY_LIMIT: Final = 16 * 2**20
"""The server's own default."""
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
    "latin": "charset: ISO-8859-1",
    "raw": "rawBody: true",
    "keyed": 'deduplication: {key: "{{ trigger.body.id }}"}',
    "schema": (
        "schema: {type: object, additionalProperties: false, properties: {s: {type: string, pattern: '^(a+)+$'}, "
        "n: {type: number, multipleOf: 0.01}, l: {type: array, uniqueItems: true}, o: {$ref: '#'}}}"
    ),
    "when": "when: \"{{ (trigger.body | string) | regexMatch('(x+x+)+y') }}\"",
    "jq": "wait: true\n    response: {body: \"{{ trigger.body | jq('[.. | scalars] | length') }}\"}",
    "text": 'wait: true\n    response: {body: "{{ trigger.body | string | upper | slugify | length }}"}',
    "walk": (
        'wait: true\n    response: {body: "{% for i in trigger.body %}{% for j in trigger.body %}{{ i }}{{ j }}'
        '{% endfor %}{% endfor %}"}'
    ),
}
HEAVY: Final = ("schema", "when", "jq", "text", "walk")
"""Cost a whole limit each: chosen less often, or a run would be about them alone."""
EVERY: Final = tuple(name for name in TRIGGERS if name not in HEAVY) * 50 + HEAVY
STATUSES: Final = "200 201 202 204 303 400 401 403 404 405 408 409 410 413 414 415 422 429 431 501 503 505"
DOCUMENTED: Final = frozenset((*STATUSES.split(), "500 of a flow"))
"""400, 414, 431, 501 and 505 also come from the HTTP parser in front, 303 leads from `/` to the console. 500 is what a
flow comes to that fails, or cannot make its answer: it names the execution."""
ANSWER: Final = re.compile(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)")

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


CHARSETS: Final = ("utf-8", "utf-16", "utf-16le", "utf-32", "iso-8859-1", "windows-1252", "shift_jis", "utf-7", "idna", "punycode",
                   "hz", "iso2022_kr", "raw_unicode_escape", "rot13", "no-such", "x" * 300)  # fmt: skip
PREFACES: Final = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    b"GET / HTTP/0.9\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n", b"SSH-2.0-x\r\n", b"\x00" * 100, b"GET\r\n\r\n", b"\r\n" * 50, b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n", b"{}", b"GET http://x/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
)  # fmt: skip
UPGRADES: Final = (
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
    b"Upgrade: TLS/1.0\r\nConnection: Upgrade", b"Expect: 200-maybe\r\nConnection: close",
    b"Transfer-Encoding: gzip, chunked\r\nConnection: close", b"Content-Length: 5\r\nContent-Length: 6\r\nConnection: close",
    b"Content-Length: +5\r\nConnection: close", b"Content-Length: 99999999999999999999\r\nConnection: close",
)  # fmt: skip
HARD: Final = (
    '{"s": "' + "a" * 5000 + '!"}', '{"s": "' + "x" * 5000 + '"}', '{"l": [' + ",".join(f'{{"a": {n}}}' for n in range(2000)) + "]}",
    '{"o": ' * 900 + "{}" + "}" * 900, '{"n": 1e-300}', '{"n": 123456789012345678901234567890.01}', "[" + "1," * 20_000 + "1]",
    "[" * 900 + "]" * 900, json.dumps({f"k{n}": n for n in range(3000)}), '"' + "\\u0130" * 3000 + '"', json.dumps("x" * 100_000),
    '{"id": "' + "k" * 3000 + '"}', '{"id": 1}', '{"id": {"a": [1]}}', "9" * 4000, "-0", "1E400", '{"a": NaN}', '{"a":1,"a":2}',
    '{"\\ud800": "\\udfff"}', json.dumps(["\u0130\ufdfa\U0001f468\u200d\U0001f469" * 500]), "\ufeff{}", "null", '""', "  ", "{'a': 1}",
)  # fmt: skip
SMALL: Final = tuple(text for text in HARD if len(text) < 2000)
BIG: Final = tuple(text for text in HARD if len(text) >= 2000)
"""Cost milliseconds and tens of kilobytes each, so they are rarer."""


class Sent(NamedTuple):
    """One request, and whether its framing is as it should be: a broken one may be cut off without an answer."""

    data: bytes
    intact: bool = True
    last: bool = True
    """It says `Connection: close`, or breaks the connection."""


def request(chance: random.Random) -> Sent:
    """One request of any kind."""
    kind = chance.random()
    if kind < 0.05:
        return Sent(chance.choice(PREFACES), intact=False)
    if kind < 0.1:
        line = f"POST {HOOK}/t/plain/k HTTP/1.1\r\nHost: x\r\n".encode()
        return Sent(line + chance.choice(UPGRADES) + b"\r\n\r\n" + chance.choice(BODIES), intact=False)
    if kind < 0.5:
        return Sent(*raw(chance))
    last = chance.random() < 0.1
    return Sent(delivery(chance, last), last=last)


def batch(chance: random.Random) -> list[Sent]:
    """What is sent over one connection: deliveries one behind the other, until one that is the last."""
    found = [request(chance)]
    while not found[-1].last:
        last = chance.random() < 0.1
        found.append(Sent(delivery(chance, last), last=last))
    return found


def raw(chance: random.Random) -> tuple[bytes, bool]:
    """Headers, bodies and framing that do not go together, now and then with bytes in between."""
    name = chance.choice(EVERY)
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
    method = chance.choice(METHODS if chance.random() < 0.3 else ("POST",))
    whole = b"\r\n".join([method.encode() + b" " + path + b" HTTP/1.1", *headers, b"", b""]) + body
    if chance.random() < 0.02:
        place = chance.randrange(len(whole))
        return whole[:place] + chance.randbytes(3) + whole[place:], False
    return whole, True


def delivery(chance: random.Random, last: bool) -> bytes:
    """A well-formed request whose content is work: for decoders, schemas, patterns and templates."""
    name = chance.choice(EVERY)
    texts = BIG if chance.random() < 0.03 else SMALL
    text, encoding, kind = chance.choice(texts), "", "application/json"
    charset = chance.choice(CHARSETS) if chance.random() < 0.4 else ""
    try:
        body = text.encode(charset or "utf-8")
    except (LookupError, ValueError):
        body = text.encode("utf-8", "replace")
    size = chance.random()
    if size < 0.005:
        body = json.dumps(["\xe9" * chance.randrange(2**18)]).encode()
    if size < 0.0005:
        body = b'"' + b"x" * chance.choice([2**22, BODY_LIMIT - 2, BODY_LIMIT]) + b'"'
    if chance.random() < 0.2:
        encoding = chance.choice(["gzip", "deflate"])
        body = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
        body = body if chance.random() < 0.9 else body[: len(body) // 2]
    if chance.random() < 0.2:
        kind = chance.choice(
            ["text/plain", "application/x-www-form-urlencoded", "application/xml", "application/octet-stream"]
        )
    lines = [
        f"POST {HOOK}/t/{name}/k HTTP/1.1",
        "Host: x",
        f"Content-Length: {len(body)}",
    ]
    lines.append(f"Content-Type: {kind}" + (f"; charset={charset}" if charset else ""))
    lines += [f"Content-Encoding: {encoding}"] if encoding else []
    lines += [f"Idempotency-Key: k{chance.randrange(500)}"] if chance.random() < 0.3 else []
    lines += ["Connection: close"] if last else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def exchange(port: int, batch: Sequence[Sent]) -> list[str]:
    """Send requests over one connection and return the status of every answer."""
    answer = bytearray()
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS_MAX) as connection:
            sending = threading.Thread(target=_send, args=(connection, batch))
            sending.start()
            try:
                while part := connection.recv(65_536):
                    answer += part
            finally:
                sending.join()
    except (ConnectionError, TimeoutError):
        pass
    return [
        status.decode()
        + " of a flow" * (status == b"500" and b"\r\nHookledger-Receipt: execution=" in b"\r\n" + head)
        for status, head in ANSWER.findall(answer)
    ]


def _send(connection: socket.socket, batch: Sequence[Sent]) -> None:
    try:
        connection.sendall(b"".join(one.data for one in batch))
        if not batch[-1].intact:
            connection.shutdown(socket.SHUT_WR)  # it might wait for the rest
    except OSError:
        pass  # refused before it was read to its end: the answer is there all the same


def exchanged(batch: Sequence[Sent], port: int) -> Iterator[tuple[Sent, str | None]]:
    """Exchange a batch and yield each request with its answer; what stands behind a closed connection is sent again."""
    left = list(batch)
    while left:
        answers = exchange(port, left)
        done, left = left[: max(1, len(answers))], left[max(1, len(answers)) :]
        yield from zip(done, answers or (None,), strict=False)


def play(port: int, seed: str, count: int) -> "tuple[Counter[str | None], list[tuple[str | None, bytes]]]":
    """So many requests, one connection after another; the answers and what should not have come."""
    chance, answers, failures = random.Random(seed), Counter[str | None](), list[tuple[str | None, bytes]]()
    while answers.total() < count:
        for sent, status in exchanged(batch(chance), port):
            answers[status] += 1
            if status not in DOCUMENTED and (sent.intact or status is not None):
                failures.append((status, sent.data[:2000]))
    return answers, failures


class Health:
    """Asks `/health` all the time, from a process of its own, so that nobody's work here delays the question."""

    def __init__(self, port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", ASKING, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def slowest(self) -> tuple[float, int]:
        """Seconds of the slowest answer since the last time, and how many there were."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        seconds, count = json.loads(self._process.stdout.readline())
        return seconds, count

    def stop(self) -> None:
        """Leave no process behind."""
        self._process.kill()
        self._process.communicate()


ASKING: Final = """
import json, select, socket, sys, time
worst = count = 0
while True:
    began = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60) as one:
            one.sendall(b"GET /health HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
            assert b" 200 " in one.recv(4096).split(b"\\r\\n")[0]
    except (OSError, AssertionError):
        began -= 1000
    worst, count = max(worst, time.monotonic() - began), count + 1
    if select.select([sys.stdin], [], [], 0.02)[0]:
        sys.stdin.readline()
        print(json.dumps([worst, count]), flush=True)
        worst = count = 0
"""


class Server:
    """The server under test (Linux: its figures are read from /proc)."""

    def __init__(self, directory: Path) -> None:
        flows = directory / "flows"
        flows.mkdir()
        for name, trigger in TRIGGERS.items():
            lines = f"\n    {trigger}" if trigger else ""
            head = f"id: {name}\nnamespace: t\n{TASKS}triggers:\n"
            (flows / f"{name}.yaml").write_text(f"{head}  - id: w\n    type: {WEBHOOK}\n    key: k{lines}\n")
        command = [sys.executable, "-c", "from hookledger.api.cli import main; main()", "serve", str(flows)]
        self.process = subprocess.Popen(
            [*command, "--data", str(directory / "data"), "--port", os.environ.get("FUZZ_PORT", "0")],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "HOOKLEDGER_IDLE_TIMEOUT": "PT1S"},
        )
        self.port = self._listening()

    def _listening(self) -> int:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"listens on http://127\.0\.0\.1:(\d+)", line):
                threading.Thread(target=self.process.stdout.read, daemon=True).start()
                return int(found[1])
        raise SystemExit("the server did not start")

    def figures(self) -> tuple[float, int]:
        """Resident memory in MiB and open descriptors, once it has nothing to do any more."""
        before = -1.0
        while (spent := self._spent()) - before > IDLE:
            before = spent
            time.sleep(2)
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def _spent(self) -> float:
        """CPU time, seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """All requests of one seed, sent by processes of their own that make way for the server."""

    def __init__(self, port: int, seed: int, connections: int) -> None:
        self._port = port
        self._seed = seed
        self._connections = connections
        self._pool = Pool(connections, initializer=os.nice, initargs=(5,))
        self.answers: Counter[str | None] = Counter()
        self.failures: list[tuple[str | None, bytes]] = []

    def part(self, name: str, count: int) -> None:
        """Send a part of them over all connections at once."""
        each = count // self._connections
        work = [(self._port, f"{self._seed}:{name}:{n}", each) for n in range(self._connections)]
        for answers, failures in self._pool.starmap(play, work):
            self.answers += answers
            self.failures += failures

    def stop(self) -> None:
        """Leave no process behind."""
        self._pool.terminate()


def main() -> None:
    """Run and report."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--requests", type=int, default=200_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--connections", type=int, default=12)
    options.add_argument("--health", type=float, default=0.5, help="seconds `/health` may take")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        server = Server(Path(directory))
        health, run = Health(server.port), Run(server.port, chosen.seed, chosen.connections)
        run.part("warm", 400)
        figures: list[tuple[float, int]] = []
        slow: list[float] = []
        try:
            for quarter in range(1, 5):
                health.slowest()
                began = time.monotonic()
                run.part(f"q{quarter}", chosen.requests // 4)
                spent, (slowest, asked) = time.monotonic() - began, health.slowest()
                figures.append(server.figures())
                slow.append(slowest)
                print(
                    f"quarter {quarter}: {chosen.requests // 4} requests in {spent:.0f} s; /health asked {asked} times, "
                    f"slowest {slowest:.3f} s; {figures[-1][0]:.1f} MiB, {figures[-1][1]} descriptors",
                    flush=True,
                )
            alive = server.process.poll() is None
        finally:
            health.stop()
            run.stop()
            server.process.terminate()
            server.process.wait()
    raise SystemExit(_report(run, figures, max(slow) <= chosen.health, alive, chosen.seed))


def _report(run: Run, figures: list[tuple[float, int]], quick: bool, alive: bool, seed: int) -> int:
    print(f"seed {seed}: {sum(run.answers.values())} requests, server alive: {alive}")
    print("  ".join(f"{status}: {count}" for status, count in sorted(run.answers.items(), key=str)))
    (memory, descriptors), (memory_now, descriptors_now) = figures[0], figures[-1]
    grown = memory_now > memory * GROWTH_MAX or descriptors_now > descriptors * GROWTH_MAX
    print(f"memory {memory:.1f} -> {memory_now:.1f} MiB, descriptors {descriptors} -> {descriptors_now}")
    for status, data in run.failures[:10]:
        print("FAILED", status, data[:400])
    print(
        f"{len(run.failures)} failures"
        + ("" if quick else ", /health was too slow")
        + (", it grew" if grown else "")
    )
    return int(bool(run.failures) or not quick or not alive or grown)


if __name__ == "__main__":
    main()
