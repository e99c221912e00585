"""What `sign` makes, `begin` accepts; what anybody changes, it refuses; and nothing makes it raise."""

import base64
import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from hookledger.runtime.triggers.webhook.signatures import PRESETS, Draft, Scheme, parse_signature, sign

NOW = 1_700_000_000
URL = "https://example.com/hook?a=1"
BODY = b'{"hello":"world","n":[1,2,3]}'
SEED = bytes(range(32))
PUBLIC = ed25519.Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
WHSEC = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
# preset: (secret to sign with, secret to check with); the default is one text for both
PAIRS: dict[str, tuple[str, str]] = {
    "STANDARD_WEBHOOKS": (WHSEC, WHSEC),
    "SVIX": (WHSEC, WHSEC),
    "GITLAB": (WHSEC, WHSEC),
    "ONFLEET": ("aabbccddeeff0011", "aabbccddeeff0011"),
    "DISCORD": (SEED.hex(), PUBLIC.hex()),
}
NAMES = sorted(PRESETS)


def scheme_of(preset: str) -> Scheme:
    """Return a preset's scheme."""
    scheme = parse_signature({"preset": preset, "secret": "x"}).scheme
    assert scheme is not None
    return scheme


def signed(preset: str, body: bytes = BODY) -> tuple[str, Sequence[tuple[str, str]], str]:
    """Sign with a preset; with the URL, the headers and the secret to check with."""
    signing, checking = PAIRS.get(preset, ("a secret of some length", "a secret of some length"))
    headers = (("Content-Type", "application/json"),)
    made = sign(scheme_of(preset), signing, Draft(body=body, now=NOW, url=URL, headers=headers))
    return made.url, (*headers, *made.headers), checking


def accepts(preset: str, url: str, headers: Any, body: bytes, secret: str, now: float = NOW) -> bool:
    """Run one whole check."""
    scheme = scheme_of(preset)
    return scheme.check(body, method="POST", url=url, headers=headers, now=now, secrets=[secret]).accepted


@pytest.mark.parametrize("preset", NAMES)
@pytest.mark.parametrize("body", [BODY, b"", b"\xff\x00\xfe"], ids=["json", "empty", "binary"])
def test_every_preset_accepts_what_it_signs(preset: str, body: bytes) -> None:
    """
    For each preset sign and check agree, on any body.
    """
    url, headers, secret = signed(preset, body)
    assert accepts(preset, url, headers, body, secret)
    assert not accepts(preset, url, headers, body, secret[:-2] + "zz")


@pytest.mark.parametrize("preset", [name for name in NAMES if name != "GITLAB_TOKEN"])
def test_no_flipped_bit_of_the_body_is_accepted(preset: str) -> None:
    """
    Each bit of the body is covered, in every preset that signs at all.
    """
    url, headers, secret = signed(preset)
    step = 1 if PRESETS[preset].kind == "GENERIC" and preset != "DISCORD" else 5
    for bit in range(0, len(BODY) * 8, step):
        changed = bytearray(BODY)
        changed[bit // 8] ^= 1 << bit % 8
        assert not accepts(preset, url, headers, bytes(changed), secret), bit


@pytest.mark.parametrize("preset", [name for name in NAMES if name != "RFC9421"])
def test_no_changed_character_of_a_signed_header_is_accepted(preset: str) -> None:
    """
    Signature, id and time: one other character and the delivery is refused (hex in either case aside).
    """
    url, headers, secret = signed(preset)
    own = [name for name, _ in headers if name not in ("Content-Type", PRESETS[preset].dedup.header)]
    for name in own:
        text = dict(headers)[name]
        for place in range(len(text)):
            other = "A" if text[place] not in "aA" else "B"
            line = text[:place] + other + text[place + 1 :]
            lines = [(key, line if key == name else value) for key, value in headers]
            assert not accepts(preset, url, lines, BODY, secret), (name, line)


def test_no_changed_character_of_an_rfc9421_signature_is_accepted() -> None:
    """
    As above; the label is the one thing that RFC 9421 leaves unsigned.
    """
    url, headers, secret = signed("RFC9421")
    for name, start in (("Signature", 6), ("Signature-Input", 5)):
        text = dict(headers)[name]
        for place in range(start, len(text), 2):
            other = "A" if text[place] not in "aA" else "B"
            line = text[:place] + other + text[place + 1 :]
            lines = [(key, line if key == name else value) for key, value in headers]
            assert not accepts("RFC9421", url, lines, BODY, secret), (name, line)


@pytest.mark.parametrize("preset", [name for name in NAMES if PRESETS[name].timed or name == "RFC9421"])
def test_time_is_checked_in_both_directions(preset: str) -> None:
    """
    300 seconds either way are accepted, 301 are not: a clock ahead is no better than a late delivery.
    """
    url, headers, secret = signed(preset)
    found = [accepts(preset, url, headers, BODY, secret, NOW + shift) for shift in (-301, -300, 300, 301)]
    assert found == [False, True, True, False]


@pytest.mark.parametrize("preset", NAMES)
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6), size=st.integers(0, 400))
def test_chunking_does_not_matter(preset: str, cuts: list[int], size: int) -> None:
    """
    However the body is cut into chunks, the verdict is that of the whole.
    """
    body = (BODY * 20)[:size]
    url, headers, secret = signed(preset, body)
    verifier = scheme_of(preset).begin(method="POST", url=url, headers=headers, now=NOW, secrets=[secret])
    edges = [0, *sorted(cuts), len(body)]
    for start, end in pairwise(edges):
        verifier.update(body[start:end])
    assert verifier.finish().accepted
    assert verifier.finish() == verifier.finish()


ANY_TEXT = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["", "v1,", "t=1700000000,v1=00", "sha256=", "v0=é", "v1a,AAAA", ":::", "sig1=()", "=", "1e9"]
    ),
    st.sampled_from(["1" * 5000, "v1,AAAA " * 40, "t=1,t=1,v1=aa", "9" * 30, "٣", "\udcff"]),
)


@pytest.mark.parametrize("preset", NAMES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_nothing_raises_and_nothing_unsigned_is_accepted(preset: str, data: st.DataObject) -> None:
    """
    Any headers, URL, body, secret and clock end in a refusal with a reason, never in an exception.
    """
    family = PRESETS[preset].families[0]
    own = [
        *family.signature,
        family.id,
        family.timestamp,
        "Signature-Input",
        "Content-Type",
        "Content-Digest",
    ]
    names = st.sampled_from([name for name in own if name])
    headers = data.draw(st.lists(st.tuples(names, ANY_TEXT), max_size=8))
    verifier = scheme_of(preset).begin(
        method=data.draw(st.text(max_size=5)), url=data.draw(ANY_TEXT | st.just(URL)), headers=headers,
        now=data.draw(st.floats(allow_nan=False) | st.just(NOW)),
        secrets=data.draw(st.lists(ANY_TEXT | st.just("fixed secret"), max_size=3)),
        public_keys=data.draw(st.lists(ANY_TEXT, max_size=1)),
    )  # fmt: skip
    verifier.update(data.draw(st.binary(max_size=40)))
    verdict = verifier.finish()
    if not verdict.accepted:
        assert verdict.reason is not None
    elif preset not in ("GITLAB_TOKEN", "GITLAB"):  # a token may be guessed from so small a pool
        pytest.fail("accepted without a signature")


@pytest.mark.parametrize("kind", ["ed25519", "p256", "p384", "rsa"])
def test_rfc9421_with_public_keys(kind: str) -> None:
    """
    Ed25519, ECDSA and RSA-PSS: signed with a PEM private key, checked with the public one.
    """
    make: dict[str, Any] = {
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
        "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }
    key = make[kind]()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    scheme = scheme_of("RFC9421")
    made = sign(scheme, private, Draft(body=BODY, now=NOW, url=URL, delivery_id="n-1"))
    request: dict[str, Any] = {"method": "POST", "url": URL, "headers": made.headers, "now": NOW}
    verdict = scheme.check(BODY, public_keys=[public], **request)
    assert verdict.accepted
    assert verdict.delivery_id == "n-1"
    assert not scheme.check(BODY, secrets=["an hmac secret"], **request).accepted


def test_a_public_key_is_never_an_hmac_secret() -> None:
    """
    Everybody knows a public key, so a MAC made with its text must not be accepted.
    """
    public = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=\n"
    public += "-----END PUBLIC KEY-----\n"
    scheme = scheme_of("RFC9421")
    recipe_secret = hashlib.sha256(public.encode()).hexdigest()
    made = sign(scheme, recipe_secret, Draft(body=BODY, now=NOW, url=URL))
    request: dict[str, Any] = {"method": "POST", "url": URL, "headers": made.headers, "now": NOW}
    ways: list[dict[str, Any]] = [{"secrets": [public]}, {"public_keys": [public]}]
    for keys in ways:
        assert not scheme.check(BODY, **keys, **request).accepted
    unusable = scheme.check(BODY, public_keys=[recipe_secret], **request)
    assert unusable.reason == "secret-unusable"
