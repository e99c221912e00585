"""The client's certificate as a TLS-terminating proxy hands it on, and whether it is one that was named.

The proxy has checked the chain and that the client has the key; here only remains whose certificate it is. Sources:
RFC 9440 (`Client-Cert`), and the percent-encoded PEM that nginx and others write.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import unquote

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes

PEM = "-----BEGIN CERTIFICATE-----"


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a certificate. Times are seconds since 1970-01-01 UTC."""

    subject: str
    """As RFC 4514 writes it: `CN=sender,O=Example`."""
    sans: tuple[str, ...]
    """DNS names, e-mail addresses, URIs and IP addresses."""
    fingerprint: str
    """SHA-256 of the DER form, lower-case hex."""
    begins: float
    ends: float


def read_certificate(text: str) -> ClientCertificate | None:
    """Read a header value; None when there is no certificate in it."""
    try:
        loaded = _loaded(text.strip())
        return ClientCertificate(
            subject=loaded.subject.rfc4514_string(),
            sans=tuple(_sans(loaded)),
            fingerprint=loaded.fingerprint(hashes.SHA256()).hex(),
            begins=_seconds(loaded.not_valid_before_utc),
            ends=_seconds(loaded.not_valid_after_utc),
        )
    except (ValueError, binascii.Error, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def _loaded(text: str) -> x509.Certificate:
    plain = unquote(text)
    if plain.startswith(PEM):
        return x509.load_pem_x509_certificate(plain.encode())
    if text.startswith(":") and text.endswith(":"):
        text = text[1:-1]
    return x509.load_der_x509_certificate(base64.b64decode(text, validate=True))


def _sans(loaded: x509.Certificate) -> Iterator[str]:
    try:
        found = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in found:
        if isinstance(name, x509.DNSName | x509.RFC822Name | x509.UniformResourceIdentifier):
            yield name.value
        elif isinstance(name, x509.IPAddress):
            yield str(name.value)


def _seconds(moment: datetime) -> float:
    return moment.astimezone(UTC).timestamp()


def pinned(
    certificate: ClientCertificate, subjects: Sequence[str], sans: Sequence[str], fingerprints: Sequence[str]
) -> bool:
    """True when every list that is not empty names the certificate; without any list nothing does."""
    wanted = {one.replace(":", "").lower() for one in fingerprints}
    rules = (
        (subjects, certificate.subject in subjects),
        (sans, bool({one.lower() for one in sans} & {one.lower() for one in certificate.sans})),
        (fingerprints, certificate.fingerprint in wanted),
    )
    asked = [holds for names, holds in rules if names]
    return bool(asked) and all(asked)
