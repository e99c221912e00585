"""Rows of the black-box table that are decided by the head of a request: route, method, address, rate, credentials."""

import hmac
import json
from collections.abc import Mapping
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import RSAAlgorithm

from hookledger.journal.events import DeliveryRejected, TriggerReceived
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http.port import HttpAnswer, HttpRequest

from .house import HOOK, Clock, flow, open_house


async def test_a_plain_webhook_answers_with_its_execution(tmp_path: Path) -> None:
    """
    Row 1: without new properties a delivery gets 200 with the execution, and one TriggerReceived is written.
    """
    async with open_house(tmp_path, flow("")) as house:
        response = await house.send(json={"a": 1})
        assert response.status_code == 200
        assert response.json()["trigger"]["variables"]["body"] == {"a": 1}
        assert response.headers["x-delivery-id"] != response.json()["id"]
        assert len(house.events(TriggerReceived)) == 1


async def test_nothing_reachable_looks_the_same(tmp_path: Path) -> None:
    """
    Row 2: wrong key, unknown flow, unknown namespace and an unrenderable key give byte-identical 404s.
    """
    lost = flow("", name="lost").replace("key: k", "key: \"{{ secret('NO') }}\"")
    async with open_house(tmp_path, flow(""), lost) as house:
        paths = ("t/f/wrong", "t/none/k", "none/f/k", "t/lost/k", "t/f/k/more", "t/f/k//", "t/f")
        answers = [await house.client.post(f"{HOOK}/{path}", content=b"x") for path in paths]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert house.executions() == []


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "HEAD"])
async def test_other_methods_are_405(tmp_path: Path, method: str) -> None:
    """
    Row 4: methods that start nothing get 405 with `Allow`; without the key they get the uniform 404.
    """
    async with open_house(tmp_path, flow("")) as house:
        response = await house.send(method=method)
        assert response.status_code == 405
        assert response.headers["allow"] == "GET, POST, PUT, OPTIONS"
        assert (await house.send("wrong", method=method)).status_code == 404
        assert house.executions() == []


async def test_listed_methods_start_the_flow(tmp_path: Path) -> None:
    """
    `methods` decides: PATCH works when it is listed, POST no longer when it is not.
    """
    async with open_house(tmp_path, flow("methods: [PATCH, HEAD]")) as house:
        assert (await house.send(method="PATCH")).status_code == 200
        assert (await house.send(method="HEAD")).status_code == 200
        assert (await house.send(method="POST")).status_code == 405
        assert len(house.executions()) == 2


async def test_disabled_is_409_with_the_key_only(tmp_path: Path) -> None:
    """
    Row 71 as decided: a disabled trigger is 409 for whoever has the key, whatever the method, else the 404.
    """
    async with open_house(tmp_path, flow("disabled: true")) as house:
        for method in ("POST", "HEAD", "OPTIONS"):
            assert (await house.send(method=method)).status_code == 409
            assert (await house.send("wrong", method=method)).status_code == 404


async def test_addresses_outside_the_list_are_403(tmp_path: Path) -> None:
    """
    `allowedIps`: the address behind trusted proxies counts; a header from nobody's proxy is not believed.
    """
    source = flow("allowedIps: [192.0.2.0/24]")
    async with open_house(tmp_path, source) as house:
        forged = {"X-Forwarded-For": "192.0.2.7"}
        assert (await house.send(headers=forged)).status_code == 403
    (tmp_path / "two").mkdir()
    trusted = [("server.trustedProxies", ["127.0.0.0/8"])]
    async with open_house(tmp_path / "two", source, settings=trusted) as house:
        assert (await house.send(headers=forged)).status_code == 200
        assert (await house.send(headers={"X-Forwarded-For": "198.51.100.1"})).status_code == 403
        assert house.events(TriggerReceived)[0].remote == "192.0.2.7"


async def test_cors_preflight(tmp_path: Path) -> None:
    """
    Row 61: a preflight is 204 with or without permission; the answer to a delivery carries the permission too.
    """
    async with open_house(tmp_path, flow("cors: {origins: ['https://app.example']}")) as house:
        asked = {"Access-Control-Request-Method": "POST", "Origin": "https://app.example"}
        granted = await house.send(method="OPTIONS", headers=asked)
        assert (granted.status_code, granted.headers["access-control-allow-origin"]) == (204, asked["Origin"])
        denied = await house.send(method="OPTIONS", headers={**asked, "Origin": "https://evil.example"})
        assert denied.status_code == 204
        assert "access-control-allow-origin" not in denied.headers
        actual = await house.send(headers={"Origin": "https://app.example"})
        assert actual.headers["access-control-allow-origin"] == asked["Origin"]


async def test_rate_limit(tmp_path: Path) -> None:
    """
    Row 58: of 20 quick deliveries at 5/s five start something, the rest get 429 with whole seconds to wait.
    """
    async with open_house(tmp_path, flow("rateLimit: {limit: 5, period: PT1S}")) as house:
        answers = [await house.send() for _ in range(20)]
        codes = [answer.status_code for answer in answers]
        assert codes == [200] * 5 + [429] * 15
        assert {answer.headers["retry-after"] for answer in answers[5:]} == {"1"}
        house.clock.move(1)
        assert (await house.send()).status_code == 200


async def test_junk_does_not_starve_signed_traffic(tmp_path: Path) -> None:
    """
    Row 59: after 1,000 bad signatures a good one is accepted, and the records of the bad ones are capped.
    """
    key = "0123456789abcdef0123456789abcdef"
    source = flow(f"signature: {{preset: GITHUB, secret: {key}}}\nrateLimit: {{limit: 5, period: PT1S}}")
    signed = {"X-Hub-Signature-256": "sha256=" + hmac.new(key.encode(), b"x", "sha256").hexdigest()}
    forged = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
    async with open_house(tmp_path, source) as house:
        codes = {(await house.send(content=b"x", headers=forged)).status_code for _ in range(1000)}
        assert codes == {401, 429}
        assert (await house.send(content=b"x", headers=signed)).status_code == 200
        house.clock.move(60)
        assert (await house.send(content=b"x", headers=forged)).status_code == 401
        rejected = await house.settled(51, DeliveryRejected)
        assert len(rejected) == 51
        assert rejected[-1].suppressed == 950


async def test_fixed_credentials(tmp_path: Path) -> None:
    """
    `authentication`: BASIC, BEARER and HEADER; any of them is enough, none of them is 401 with a challenge.
    """
    source = flow(
        "authentication:\n"
        "  - {type: BASIC, username: u, password: \"{{ secret('P') }}\"}\n"
        "  - {type: BEARER, token: \"{{ secret('T') }}\"}\n"
        "  - {type: HEADER, name: X-Acme-Key, value: \"{{ secret('H') }}\"}"
    )
    secrets = {"P": "pass-word", "T": "tok-en-tok-en", "H": "head-er-value"}
    async with open_house(tmp_path, source, secrets=secrets) as house:
        assert (await house.send(auth=("u", "pass-word"))).status_code == 200
        assert (await house.send(headers={"Authorization": "Bearer tok-en-tok-en"})).status_code == 200
        assert (await house.send(headers={"X-Acme-Key": "head-er-value"})).status_code == 200
        refused = await house.send(auth=("u", "wrong"))
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic ")
        assert (await house.send()).content != b""
        for secret in (b"pass-word", b"tok-en-tok-en", b"head-er-value"):
            assert secret not in house.on_disk()


async def test_a_missing_secret_fails_closed(tmp_path: Path) -> None:
    """
    Row 64: a secret that cannot be rendered is 503 for everybody, retryable, and never 200.
    """
    signed = flow("signature: {preset: GITHUB, secret: \"{{ secret('NO') }}\"}")
    known = flow("authentication: [{type: BEARER, token: \"{{ secret('NO') }}\"}]", name="g")
    async with open_house(tmp_path, signed, known) as house:
        for name in ("f", "g"):
            response = await house.send(flow=name, headers={"Authorization": "Bearer x"})
            assert response.status_code == 503
            assert response.json()["type"].endswith("verifier-unavailable")
            assert response.headers["retry-after"] == "60"
        house.secrets["NO"] = "now it is here"
        assert (
            await house.send(flow="g", headers={"Authorization": "Bearer now it is here"})
        ).status_code == 200


async def test_tokens(tmp_path: Path) -> None:
    """
    Row 62: a good JWT is 200; expired, wrong audience, `none` and HS256 signed with the public key are 401.
    """
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    source = flow(
        "authentication:\n"
        "  - type: JWT\n"
        f"    publicKey: {json.dumps(public)}\n"
        "    issuer: https://idp\n    audience: flows\n    algorithms: [RS256]"
    )
    clock = Clock()
    now = clock.at // 1_000_000
    claims = {"iss": "https://idp", "aud": "flows", "exp": now + 100, "sub": "alice"}
    forged_key = public.encode()

    def bearer(token: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {token}"}

    async with open_house(tmp_path, source, clock=clock) as house:
        good = jwt.encode(claims, pem, algorithm="RS256")
        assert (await house.send(headers=bearer(good))).status_code == 200
        assert house.events(TriggerReceived)[0].verification["principal"] == "alice"
        bad = [
            jwt.encode({**claims, "exp": now - 100}, pem, algorithm="RS256"),
            jwt.encode({**claims, "aud": "others"}, pem, algorithm="RS256"),
            jwt.encode(claims, "", algorithm="none"),
            _hs256(claims, forged_key),
        ]
        assert [(await house.send(headers=bearer(token))).status_code for token in bad] == [401] * 4


def _hs256(claims: Mapping[str, object], key: bytes) -> str:
    """A token signed with the public key as an HMAC secret; libraries refuse to make one."""
    import base64
    import hmac

    def part(data: bytes) -> bytes:
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.digest(key, signed, "sha256"))).decode()


async def test_key_sets_are_fetched_through_the_port(tmp_path: Path) -> None:
    """
    A JWT's `jwksUri` is fetched once and kept; one that cannot be reached is 401, and is not asked at every request.
    """
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = {
        **json.loads(RSAAlgorithm.to_jwk(private.public_key())),
        "kid": "one",
        "alg": "RS256",
    }
    asked: list[str] = []

    async def fetch(url: str) -> bytes:
        asked.append(url)
        return json.dumps({"keys": [key]}).encode()

    source = flow(
        "authentication: [{type: JWT, jwksUri: 'https://idp/keys', issuer: i, audience: a, algorithms: [RS256]}]"
    )
    clock = Clock()
    claims = {"iss": "i", "aud": "a", "exp": clock.at // 1_000_000 + 100, "sub": "s"}
    headers = {
        "Authorization": "Bearer " + jwt.encode(claims, pem, algorithm="RS256", headers={"kid": "one"})
    }
    async with open_house(tmp_path, source, clock=clock, services={"fetch": fetch}) as house:
        assert [(await house.send(headers=headers)).status_code for _ in range(3)] == [200] * 3
        assert asked == ["https://idp/keys"]
    (tmp_path / "two").mkdir()
    port = NoNetwork()
    async with open_house(tmp_path / "two", source, clock=clock, services={"http": port}) as house:
        assert [(await house.send(headers=headers)).status_code for _ in range(3)] == [401] * 3
        assert port.asked == ["https://idp/keys"]


class NoNetwork:
    """An HTTP port that reaches nothing."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """Refuse."""
        self.asked.append(request.uri)
        raise TaskFailed("no network", kind="ConnectFailed")


async def test_previous_keys(tmp_path: Path) -> None:
    """
    A previous key is taken until it expires; then it is 410, so that its sender learns of it.
    """
    source = flow("previousKeys: [{key: old, expires: '2023-11-15T00:00:00Z'}]")
    async with open_house(tmp_path, source) as house:
        assert (await house.send("old")).status_code == 200
        house.clock.move(86_400)
        assert (await house.send("old")).status_code == 410
        assert (await house.send("k")).status_code == 200


async def test_overload_is_503(tmp_path: Path) -> None:
    """
    More live executions than `webhook.maxExecutions`: 503 with Retry-After, nothing queued silently.
    """
    tasks = "  - {id: nap, type: io.kestra.plugin.core.flow.Sleep, duration: PT1H}"
    async with open_house(tmp_path, flow("", tasks=tasks), settings=[("webhook.maxExecutions", 1)]) as house:
        assert (await house.send()).status_code == 200
        answers = {(await house.send()).status_code for _ in range(3)}
        assert answers <= {200, 503}
