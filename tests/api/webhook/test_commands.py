"""`hookledger webhook`: what it prints works when it is pasted into a shell."""

import shlex
import subprocess
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner

from hookledger.actors.ports import Ports
from hookledger.api.cli import main
from hookledger.api.webhook.curl import HIDDEN, Target, hidden, line_of, prepared
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.triggers.webhook.signatures import PRESETS, parse_signature

from ..site import HOOK, open_site  # noqa: TID252
from ..site import flow as site_flow  # noqa: TID252
from .house import Clock, flow, open_house

PUBLIC_ONLY = {"DISCORD"}
SECRETS = {
    "ONFLEET": "00ff00ff00ff00ff",
    "STANDARD_WEBHOOKS": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "SVIX": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "GITLAB": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}
BODY = """{"text":"it's $HOME `id` \\"quoted\\" ; rm -rf / & é"}"""


def run(*arguments: str) -> str:
    """Run the command and return what it printed."""
    result = CliRunner().invoke(main, ["webhook", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - PUBLIC_ONLY))
async def test_a_pasted_curl_line_is_accepted(
    tmp_path: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    For every preset: the line is run by a shell as it stands, is accepted, and the body arrives as it was given.
    """
    secret = SECRETS.get(preset, "it's a $ecret; with `everything`")
    monkeypatch.setenv("HOOKLEDGER_SECRET_S", secret)
    source = flow(f"signature: {{preset: {preset}, secret: \"{{{{ secret('S') }}}}\"}}")
    clock = Clock(0).tick()
    clock.offset = 0
    async with open_house(tmp_path, source, secrets={"S": secret}, clock=clock) as house:
        address = str(house.client.base_url)
        line = run("curl", str(tmp_path / "flows" / "0.yaml"), "--address", address, "-d", BODY)
        shell = ["sh", "-c", line.replace("curl ", "curl -sS -o /dev/null -w '%{http_code}' ", 1)]
        done = await trio.run_process(shell, capture_stdout=True, check=False, stderr=subprocess.DEVNULL)
        assert done.stdout == b"200", line
        assert house.events(TriggerReceived)[0].body == BODY.encode()


def test_urls_are_rendered_and_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The key is rendered and percent-encoded; one that cannot be rendered is said to be so.
    """
    monkeypatch.setenv("HOOKLEDGER_SECRET_K", "a b/ü")
    file = tmp_path / "f.yaml"
    file.write_text(flow("").replace("key: k", "key: \"{{ secret('K') }}\""))
    assert run("url", str(file)).endswith("/api/v1/main/executions/webhook/t/f/a%20b%2F%C3%BC\n")
    monkeypatch.delenv("HOOKLEDGER_SECRET_K")
    assert CliRunner().invoke(main, ["webhook", "url", str(file)]).exit_code == 1


def test_credentials_are_part_of_the_line(tmp_path: Path) -> None:
    """
    `authentication` goes into the line: the first way that fixed values can satisfy.
    """
    file = tmp_path / "f.yaml"
    file.write_text(flow("methods: [GET]\nauthentication: [{type: BASIC, username: u, password: p p}]"))
    assert run("curl", str(file)).startswith("curl -X GET -u 'u:p p' http://")
    file.write_text(flow("methods: [GET]\nauthentication: [{type: QUERY, name: t, value: a b&c}]"))
    assert run("curl", str(file)).endswith("/webhook/t/f/k?t=a+b%26c'\n")


async def test_the_banner_says_how_to_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    For a webhook that wants a signature or credentials the banner names the command that makes the line, and no secret.
    """
    monkeypatch.setenv("HOOKLEDGER_SECRET_S", "it-is-secret")
    signed = "    signature: {preset: GITHUB, secret: \"{{ secret('S') }}\"}\n"
    known = "    authentication: [{type: BEARER, token: \"{{ secret('S') }}\"}]\n"
    flows = {
        "plain": site_flow("plain"),
        "signed": site_flow("signed", trigger=signed),
        "known": site_flow("known", trigger=known),
    }
    async with open_site(tmp_path, flows) as site:
        await site.line("Ctrl-C stops it")
        assert "it-is-secret" not in "\n".join(site.said)
        url = f"{site.address}{HOOK}/io.tests/{{}}/a-secret-key"
        assert f"    curl {url.format('plain')}" in site.said
        for name in ("signed", "known"):
            command = site.said[site.said.index(f"    {url.format(name)}") + 1]
            line = run(*shlex.split(command)[2:])
            shell = ["sh", "-c", line.replace("curl ", "curl -sS -o /dev/null -w '%{http_code}' ", 1)]
            done = await trio.run_process(shell, capture_stdout=True, check=False, stderr=subprocess.DEVNULL)
            assert done.stdout == b"200", line
        assert (await site.call("signed")).status_code == 401


@pytest.mark.parametrize(
    ("way", "word"),
    [
        ("{type: BEARER, token: it's}", "Authorization: Bearer it's"),
        ("{type: HEADER, name: X-Key, value: $x}", "X-Key: $x"),
        ("{type: QUERY, name: k, value: a&b}", "http://h/api/v1/main/executions/webhook/t/f/k?k=a%26b"),
    ],
)
def test_every_fixed_credential_has_its_place(tmp_path: Path, way: str, word: str) -> None:
    """
    A token, a header and a parameter stand in the line as curl takes them.
    """
    file = tmp_path / "f.yaml"
    file.write_text(flow(f"authentication: [{way}]"))
    assert word in shlex.split(run("curl", str(file), "--address", "http://h"))


def test_a_body_is_never_a_file_name(tmp_path: Path) -> None:
    """
    A body that begins with @ is sent as it is; one that no shell can carry is refused.
    """
    file, body = tmp_path / "f.yaml", tmp_path / "body"
    file.write_text(flow(""))
    body.write_text("@/etc/passwd")
    words = shlex.split(run("curl", str(file), "-d", f"@{body}"))
    assert words[words.index("--data-raw") + 1] == "@/etc/passwd"
    body.write_bytes(b"a\0b")
    refused = CliRunner().invoke(main, ["webhook", "curl", str(file), "-d", f"@{body}"])
    assert refused.exit_code == 1
    assert "NUL" in refused.output


def test_what_is_shown_cannot_be_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The line for the eye has neither key, nor password, nor signature, nor a token that stands for one.
    """
    monkeypatch.setenv("HOOKLEDGER_SECRET_S", "gitlab-token")
    settings = (
        "signature: {preset: GITLAB, secret: \"{{ secret('S') }}\"}\n"
        "authentication: [{type: QUERY, name: token, value: hush}]"
    )
    parsed = parse_flow(flow(settings))
    target = Target(parsed, parsed.triggers[0], "http://h", Ports())
    request = prepared(target, b"{}")
    shown, whole = line_of(hidden(target, request)), line_of(request)
    for secret in ("gitlab-token", "hush", "webhook/t/f/k"):
        assert secret in whole
        assert secret not in shown
    assert shown.count(HIDDEN) == 3


def test_sign_prints_headers() -> None:
    """
    `sign` prints what the preset's verifier accepts.
    """
    from hookledger.journal.ports import SystemClock

    output = run("sign", "--preset", "stripe", "--secret", "whsec_x", "-d", "{}")
    headers = [tuple(line.split(": ", 1)) for line in output.splitlines()]
    scheme = parse_signature({"preset": "STRIPE", "secret": "whsec_x"}).scheme
    assert scheme is not None
    verdict = scheme.check(
        b"{}", method="POST", url="", headers=headers, now=SystemClock().now() / 1e6, secrets=["whsec_x"]  # type: ignore[arg-type]
    )  # fmt: skip
    assert verdict.accepted
