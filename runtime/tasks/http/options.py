"""What an author may say about how a request is made."""

import base64
import codecs
from typing import Any, ClassVar, Final, Literal

import msgspec

from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.flow.waits import duration_of

MIB: Final = 1024 * 1024
BODY_BYTES_MAX: Final = 10 * MIB
_UNSUPPORTED: Final = {
    "proxy": "requests go out directly",
    "ssl": "certificates are always checked; SSL_CERT_FILE names further authorities",
}


class BasicAuth(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="BASIC", forbid_unknown_fields=True
):
    """User name and password."""

    username: str
    password: str

    def header(self) -> str:
        """Value of `Authorization`."""
        return f"Basic {base64.b64encode(f'{self.username}:{self.password}'.encode()).decode()}"


class BearerAuth(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="BEARER", forbid_unknown_fields=True
):
    """A token."""

    token: str

    def header(self) -> str:
        """Value of `Authorization`."""
        return f"Bearer {self.token.strip()}"


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The newer way to say how long parts of a request may take."""

    connect_timeout: str | None = None
    read_idle_timeout: str | None = None


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`options` of a request."""

    CONNECT: ClassVar[str] = "PT10S"
    READ: ClassVar[str] = "PT60S"
    TOTAL: ClassVar[str] = "PT5M"

    auth: BasicAuth | BearerAuth | None = None
    connect_timeout: str | None = None
    read_timeout: str | None = None
    read_idle_timeout: str | None = None
    timeout: str | Timeouts | None = None
    """A duration bounds the whole exchange, redirects and body included."""
    follow_redirects: bool = True
    allow_failed: bool = False
    allowed_response_codes: list[int] = []
    """When given, exactly these are successes."""
    max_content_length: int = BODY_BYTES_MAX
    """Bytes of the body, after decompression."""
    default_charset: str = "UTF-8"
    proxy: Any = None
    ssl: Any = None

    def __post_init__(self) -> None:
        for name, instead in _UNSUPPORTED.items():
            if getattr(self, name) is not None:
                raise ValueError(f"`{name}` is not supported: {instead}; leave it out")
        if self.max_content_length < 0:
            raise ValueError("`maxContentLength` cannot be negative")
        try:
            codecs.lookup(self.default_charset)
        except (LookupError, ValueError):
            raise ValueError(f"`defaultCharset`: there is no charset `{self.default_charset}`") from None

    def connect_seconds(self) -> float:
        """Longest wait for a connection."""
        newer = self.timeout.connect_timeout if isinstance(self.timeout, Timeouts) else None
        return _seconds("connectTimeout", newer or self.connect_timeout or self.CONNECT)

    def read_seconds(self) -> float:
        """Longest silence of the other side."""
        newer = self.timeout.read_idle_timeout if isinstance(self.timeout, Timeouts) else None
        return _seconds("readTimeout", newer or self.read_timeout or self.read_idle_timeout or self.READ)

    def total_seconds(self) -> float:
        """Longest exchange from the first byte out to the last byte in."""
        return _seconds("timeout", self.timeout if isinstance(self.timeout, str) else self.TOTAL)


Method = Literal["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "POST", "PATCH"]


def _seconds(name: str, text: str) -> float:
    try:
        us = duration_of(text)
    except TaskFailed as error:
        raise TaskFailed(f"property `options.{name}`: {error}", kind=error.kind) from None
    if us <= 0:
        raise TaskFailed(f"property `options.{name}`: give it some time", kind="InvalidProperty")
    return us / 1_000_000
