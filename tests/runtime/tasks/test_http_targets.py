"""Where requests may go: names, addresses in every spelling, redirects; and who waits for whom."""

import socket
from typing import Any

import pytest
import trio
import trio.testing

from hookledger.actors import connecting
from hookledger.actors.connecting import Names, Turns
from hookledger.actors.http_client import HttpClient, open_http_client
from hookledger.runtime.tasks.http.policy import TargetPolicy, policy_of

from .asking import asked, refused
from .server import Connection, answer, answering, serving


def policy(
    *, allow: tuple[str, ...] = (), deny: tuple[str, ...] = (), link_local: bool = False
) -> TargetPolicy:
    """A policy whose entries are all right."""
    made, wrong = policy_of(allow, deny, link_local=link_local)
    assert wrong == []
    return made


DENIED = (
    "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%1", "fd00:ec2::254", "100.100.100.200", "192.0.0.192",
    "168.63.129.16", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254",
    "0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255",
)  # fmt: skip


@pytest.mark.parametrize("address", DENIED)
def test_link_local_and_metadata_are_denied(address: str) -> None:
    """
    In whatever address an IPv4 address hides, metadata is not reached; what is no target at all never is.
    """
    assert not policy().allows("name.example", address)
    assert not policy(allow=("name.example", "0.0.0.0/0", "::/0")).allows("name.example", address)


def test_metadata_has_names() -> None:
    """
    The names of metadata services are not looked up, whatever their spelling; a setting lifts both.
    """
    for name in ("metadata.google.internal", "METADATA.google.internal.", "metadata"):
        assert not policy().allows_host(name)
        assert policy(link_local=True).allows_host(name)
    assert policy(link_local=True).allows("x", "169.254.169.254")
    assert not policy(link_local=True, deny=("169.254.169.254",)).allows("x", "169.254.169.254")


def test_loopback_and_private_networks_are_allowed() -> None:
    """
    Without settings a flow reaches its neighbours.
    """
    for address in ("127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd12::1", "8.8.8.8", "::ffff:10.0.0.1"):
        assert policy().allows("x", address)


@pytest.mark.parametrize(
    ("allow", "deny", "host", "address", "fine"),
    [
        (("api.example.com",), (), "api.example.com", "10.0.0.1", True),
        (("api.example.com",), (), "API.example.com.", "10.0.0.1", True),
        (("api.example.com",), (), "x.api.example.com", "10.0.0.1", False),
        (("*.example.com",), (), "x.api.example.com", "10.0.0.1", True),
        (("*.example.com",), (), "example.com", "10.0.0.1", False),
        (("*.example.com",), (), "badexample.com", "10.0.0.1", False),
        (("10.0.0.0/8",), (), "any", "10.1.2.3", True),
        (("10.0.0.0/8",), (), "any", "::ffff:10.1.2.3", True),
        (("10.0.0.0/8",), (), "any", "11.1.2.3", False),
        (("10.0.0.0/8",), ("10.1.0.0/16",), "any", "10.1.2.3", False),
        (("api.example.com",), ("127.0.0.0/8",), "api.example.com", "127.0.0.1", False),
        (("api.example.com",), ("127.0.0.0/8",), "api.example.com", "::ffff:127.0.0.1", False),
        ((), ("127.0.0.0/8",), "x", "64:ff9b::7f00:1", False),
        ((), ("*.internal",), "db.internal", "10.0.0.1", False),
        ((), ("127.0.0.1",), "x", "127.0.0.2", True),
    ],
)  # fmt: skip
def test_what_is_allowed_and_denied(
    allow: tuple[str, ...], deny: tuple[str, ...], host: str, address: str, fine: bool
) -> None:
    """
    With a list of what is allowed nothing else is; what is denied is denied in any case.
    """
    assert policy(allow=allow, deny=deny).allows(host, address) is fine


def test_entries_that_are_neither_host_nor_network_are_told() -> None:
    """
    A slip in the settings is no hole: it is named.
    """
    for entry in ("http://a", "10.0.0.0/99", "1.2.3", "a b", "*", "", "a..b", "exa*mple.com"):
        assert policy_of([entry], [])[1] == [entry.strip()], entry


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "localhost"],
)
async def test_every_spelling_is_the_address(host: str) -> None:
    """
    Decimal, octal, short and mapped spellings of a denied address are refused, and nothing is connected to.
    """
    async with (
        answering(answer()) as server,
        open_http_client(policy=policy(deny=("127.0.0.0/8", "::1"))) as http,
    ):
        failure = await refused(http, f"http://{host}:{server.uri().rpartition(':')[2].strip('/')}/")
        assert failure.kind == ("InvalidUri" if host.startswith("0177") else "TargetDenied"), failure
        assert server.requests == []


async def test_redirects_are_checked() -> None:
    """
    A redirect to what is denied fails as a request to it would, with the code of the redirect in the outputs.
    """
    location = "Location: http://169.254.169.254/latest/meta-data"
    async with answering(answer(b"", location, status="302 Found")) as server, open_http_client() as http:
        failure = await refused(http, server.uri())
    assert (failure.kind, failure.outputs["code"]) == ("TargetDenied", 302)


async def test_the_address_that_was_checked_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A name is looked up once: a second answer, which would lead elsewhere, is never asked for; the Host is the name.
    """
    asked_for: list[str] = []
    genuine = socket.getaddrinfo

    def resolve(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        if host != "rebound.example":
            return genuine(host, port, *more, **named)
        asked_for.append(host)
        address = "127.0.0.1" if len(asked_for) == 1 else "127.0.0.9"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with (
        answering(answer(b"here")) as server,
        open_http_client(policy=policy(deny=("127.0.0.9",))) as http,
    ):
        outputs = await asked(http, server.uri().replace("127.0.0.1", "rebound.example"))
    assert (outputs["body"], asked_for) == ("here", ["rebound.example"])
    assert b"\r\nhost: rebound.example:" in server.requests[0].lower()


async def test_a_host_that_hangs_holds_up_its_own_alone(
    monkeypatch: pytest.MonkeyPatch, http: HttpClient
) -> None:
    """
    While a host answers nobody and all its turns are taken, a request to another host is answered; who waits for a turn
    does not fail for it.
    """
    monkeypatch.setattr(connecting, "PER_HOST", 3)
    reached = trio.Event()
    count = 0

    async def silent(connection: Connection) -> None:
        nonlocal count
        await connection.request()
        count += 1
        if count == 3:
            reached.set()
        await connection.gone()

    async with (
        serving(silent) as hanging,
        answering(answer(b"here")) as other,
        trio.open_nursery() as nursery,
    ):

        async def hang() -> None:
            await asked(http, hanging.uri())

        for _ in range(10):
            nursery.start_soon(hang)
        await reached.wait()
        assert (await asked(http, other.uri()))["body"] == "here"
        assert count == 3
        nursery.cancel_scope.cancel()


async def test_turns_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A turn ends with its block, also one that fails; nothing is kept of hosts nobody asks any more.
    """
    monkeypatch.setattr(connecting, "PER_HOST", 1)
    turns = Turns()
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            async with turns.turn("a"):
                raise ValueError("no")
    assert turns._hosts == {}


async def test_a_name_is_looked_up_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A hundred requests for a name whose server is slow take one thread.
    """
    calls: list[str] = []
    slow = trio.Event()
    token = trio.lowlevel.current_trio_token()

    def resolve(host: Any, port: Any, *_: Any, **__: Any) -> Any:
        calls.append(host)
        trio.from_thread.run(slow.wait, trio_token=token)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    names, found = Names(), list[list[str]]()

    async def look_up() -> None:
        found.append(await names.addresses("slow.example", 80))

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(look_up)
        await trio.testing.wait_all_tasks_blocked(0.05)
        slow.set()
    assert (calls, found) == (["slow.example"], [["127.0.0.1"]] * 100)
