"""Settings: `hookledger.yaml`, then `HOOKLEDGER_*` variables, then flags; the later one wins."""

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta

if TYPE_CHECKING:
    from hookledger.api.identity.declared import Declared
    from hookledger.runtime.tasks.http.policy import TargetPolicy
    from hookledger.runtime.triggers.webhook.admission.ip import Network

from hookledger.runtime.durations import DurationInvalid, parse_duration
from hookledger.runtime.flow.problems import suggestion
from hookledger.runtime.flow.source import SourceInvalid, load

FILE: Final = "hookledger.yaml"
PREFIX: Final = "HOOKLEDGER_"
MIB: Final = 1024 * 1024


logger = logging.getLogger("hookledger.config")


class ConfigInvalid(Exception):
    """A setting that cannot be used; the text says which and what to do."""


class ServerConfig(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`server`: where it listens and what it lets through."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    public_url: str = ""
    """How the world reaches it, such as `https://hooks.example.com`; goes into links."""
    trusted_proxies: list[str] = []
    body_limit: Annotated[int, Meta(ge=0)] = 16 * MIB
    """Bytes, where a trigger sets none of its own."""
    body_limit_max: Annotated[int, Meta(ge=0)] = 1024 * MIB
    """Bytes a trigger's `bodyLimit` may ask for."""
    idle_timeout: str = "PT30S"
    grace: str = "PT8S"
    """How long requests and running tasks may take to end once the server was asked to stop."""
    connections_max: Annotated[int, Meta(ge=0)] = 0
    """Open at once; 0 for as many as the descriptors of the process allow, at most 10,000."""


class WebhookConfig(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`webhook`."""

    wait_limit: str = "PT1H"
    """Longest wait for an execution; ends in 504, and the execution goes on."""
    max_executions: Annotated[int, Meta(ge=1)] = 10_000
    """Live executions; past it deliveries are answered with 503 and Retry-After."""
    max_pending: Annotated[int, Meta(ge=1)] = 1_000
    """Requests to webhooks under way at once, waiting ones included; past it 503 as well."""
    require_auth: bool = False
    """Ask for the API's credentials on webhook URLs too."""


class UserConfig(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """One of `auth.users`, with one of the two passwords."""

    name: str
    role: str
    password: str = ""
    password_hash: str = ""
    """One line as `hookledger user hash` prints it."""


class AuthConfig(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`auth`: who may use the API and the console."""

    username: str = ""
    password: str = ""
    """Of the first user, an admin. Generated at first start when nothing is set."""
    realm: str = "Hookledger"
    users: list[UserConfig] = []
    """Further ones."""


class HttpConfig(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`tasks.http`: where requests of flows may go; hosts, `*.example.com`, addresses and networks."""

    allow: list[str] = []
    """When given, nothing else is reached."""
    deny: list[str] = []
    """Never reached, whatever is allowed."""
    link_local: bool = False
    """Also link-local addresses and those of clouds' metadata."""


class TasksConfig(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """`tasks`: what flows may do."""

    processes: bool = False
    """Allow tasks that run commands on this machine."""
    http: HttpConfig = msgspec.field(default_factory=HttpConfig)


class Config(msgspec.Struct, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Everything that can be set."""

    data: str = "./data"
    flows: str = ""
    encryption_key: str = ""
    """Keeps SECRET inputs; without one they are refused. Losing it loses them."""
    server: ServerConfig = msgspec.field(default_factory=ServerConfig)
    webhook: WebhookConfig = msgspec.field(default_factory=WebhookConfig)
    auth: AuthConfig = msgspec.field(default_factory=AuthConfig)
    tasks: TasksConfig = msgspec.field(default_factory=TasksConfig)

    @property
    def wait_seconds_max(self) -> float:
        """`webhook.waitLimit` in seconds."""
        return _seconds("webhook.waitLimit", self.webhook.wait_limit)

    @property
    def trusted_networks(self) -> "tuple[Network, ...]":
        """`server.trustedProxies` as networks."""
        if not self.server.trusted_proxies:
            return ()
        from hookledger.runtime.triggers.webhook.admission.ip import parse_networks

        networks, problems = parse_networks(self.server.trusted_proxies, path="server.trustedProxies")
        if problems:
            raise ConfigInvalid("; ".join(f"{one.path} {one.message}" for one in problems))
        return networks

    @property
    def targets(self) -> "TargetPolicy":
        """`tasks.http` as a policy."""
        from hookledger.runtime.tasks.http.policy import policy_of

        http = self.tasks.http
        policy, wrong = policy_of(http.allow, http.deny, link_local=http.link_local)
        if wrong:
            raise ConfigInvalid(
                f"tasks.http: {wrong[0]!r} is no host, address or network; write for example api.example.com,"
                " *.example.com, 10.0.0.0/8 or fd00::/8"
            )
        return policy

    @property
    def users(self) -> "tuple[Declared, ...]":
        """`auth.users`, checked."""
        if not self.auth.users:
            return ()
        from hookledger.api.identity.declared import declared_users
        from hookledger.api.identity.users import DEFAULT_USER

        return declared_users(self.auth.users, first=self.auth.username or DEFAULT_USER)

    @property
    def grace_seconds(self) -> float:
        """`server.grace` in seconds."""
        return _seconds("server.grace", self.server.grace)

    @property
    def idle_seconds_max(self) -> float:
        """`server.idleTimeout` in seconds."""
        return _seconds("server.idleTimeout", self.server.idle_timeout)


def _seconds(name: str, text: str) -> float:
    try:
        return parse_duration(text) / 1_000_000
    except DurationInvalid as error:
        raise ConfigInvalid(f"{name}: {error}") from error


_VARIABLES: Final[dict[str, tuple[str, ...]]] = {
    "DATA": ("data",),
    "FLOWS": ("flows",),
    "ENCRYPTION_KEY": ("encryptionKey",),
    "HOST": ("server", "host"),
    "PORT": ("server", "port"),
    "PUBLIC_URL": ("server", "publicUrl"),
    "TRUSTED_PROXIES": ("server", "trustedProxies"),
    "BODY_LIMIT": ("server", "bodyLimit"),
    "IDLE_TIMEOUT": ("server", "idleTimeout"),
    "GRACE": ("server", "grace"),
    "CONNECTIONS_MAX": ("server", "connectionsMax"),
    "BODY_LIMIT_MAX": ("server", "bodyLimitMax"),
    "MAX_EXECUTIONS": ("webhook", "maxExecutions"),
    "MAX_PENDING": ("webhook", "maxPending"),
    "WAIT_LIMIT": ("webhook", "waitLimit"),
    "WEBHOOK_AUTH": ("webhook", "requireAuth"),
    "USERNAME": ("auth", "username"),
    "PASSWORD": ("auth", "password"),
    "PROCESSES": ("tasks", "processes"),
    "HTTP_ALLOW": ("tasks", "http", "allow"),
    "HTTP_DENY": ("tasks", "http", "deny"),
    "HTTP_LINK_LOCAL": ("tasks", "http", "linkLocal"),
}
"""Environment variables without their prefix, and the setting each of them is."""

_SECRETS: Final = "SECRET_"
_ELSEWHERE: Final = frozenset({"TOKEN"})
"""Read by `hookledger token`."""
_ORCHESTRATED: Final = re.compile(
    r"(?:(?:\w+_)?SERVICE_HOST|(?:\w+_)?SERVICE_PORT(?:_\w+)?|(?:\w+_)?PORT_\d+_\w+)"
)
"""What Kubernetes and Docker put beside a service whose name begins with `hookledger`."""
_LINK: Final = re.compile(r"(?:tcp|udp|sctp)://\S*")
"""A port as they write it, with its address."""
_SECRET: Final = frozenset({"password", "passwordHash", "encryptionKey"})


def load_config(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Read the settings.

    Args:
        file: A file that must exist; by default `hookledger.yaml` in the working directory, if there is one.
        flags: Dotted names and values from the command line; None means not given.

    Raises:
        ConfigInvalid: With what is wrong and where.
    """
    merged = _read_file(file)
    origins = {"": f"{file or FILE}: "} if merged else {}
    for variable, name, value in _from_environment(os.environ if environment is None else environment):
        _set(merged, name, value)
        origins[".".join(name)] = f"{variable}: "
    for dotted, value in (flags or {}).items():
        if value is not None:
            _set(merged, tuple(dotted.split(".")), value)
            origins[dotted] = ""
    try:
        return _checked(merged)
    except ConfigInvalid as error:
        raise ConfigInvalid(_origin(str(error), origins) + str(error)) from error


def _checked(merged: Mapping[str, Any]) -> Config:
    try:
        config = msgspec.convert(merged, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(_explained(str(error))) from error
    assert config.wait_seconds_max >= 0
    assert config.idle_seconds_max >= 0
    assert config.grace_seconds >= 0
    assert config.trusted_networks is not None
    assert config.users is not None
    assert config.targets is not None
    return config


def _origin(message: str, origins: Mapping[str, str]) -> str:
    """Where the setting a message speaks of was set, as it is put in front."""
    for dotted, origin in origins.items():
        if dotted and (f"`$.{dotted}`" in message or message.startswith((f"{dotted}:", f"{dotted}["))):
            return origin
    return origins.get("", "")


def masked(config: Config) -> dict[str, Any]:
    """The settings as plain data, secrets replaced."""
    plain: dict[str, Any] = msgspec.to_builtins(config)
    users = plain["auth"]["users"]
    for section in (plain, plain["auth"], *users):
        for name in _SECRET & section.keys():
            section[name] = section[name] and "******"
    return plain


def _read_file(file: Path | None) -> dict[str, Any]:
    path = file or Path(FILE)
    if file is None and not path.exists():
        return {}
    try:
        data = load(path.read_text(encoding="utf-8"), file=str(path)).data
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}") from error
    except SourceInvalid as error:
        raise ConfigInvalid("; ".join(map(str, error.problems))) from error
    if data is not None and not isinstance(data, dict):
        raise ConfigInvalid(f"{path}: expected settings as `name: value`")
    return dict(data or {})


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, tuple[str, ...], Any]]:
    found: list[tuple[str, tuple[str, ...], Any]] = []
    ignored: list[str] = []
    for name, value in environment.items():
        short = name.removeprefix(PREFIX)
        if short == name or short.startswith(_SECRETS) or short in _ELSEWHERE:
            continue
        if _by_orchestrator(short, value):
            ignored.append(name)
            continue
        if short not in _VARIABLES:
            known = [PREFIX + one for one in _VARIABLES]
            raise ConfigInvalid(f"unknown variable {name}; {suggestion(name, known)}")
        lists = short in ("TRUSTED_PROXIES", "HTTP_ALLOW", "HTTP_DENY")
        read = [part.strip() for part in value.split(",")] if lists else value
        found.append((name, _VARIABLES[short], read))
    if ignored:
        logger.warning(
            "ignored, as Kubernetes and Docker set them for a service: %s", ", ".join(sorted(ignored))
        )
    return found


def _by_orchestrator(short: str, value: str) -> bool:
    port = short == "PORT" or short.endswith("_PORT")
    return bool(_ORCHESTRATED.fullmatch(short)) or (port and bool(_LINK.fullmatch(value)))


def _set(target: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *sections, name = path
    for section in sections:
        inner = target.get(section)
        target[section] = dict(inner) if isinstance(inner, dict) else {}
        target = target[section]
    target[name] = value


def _explained(message: str) -> str:
    return f"{message}; `hookledger config show` prints what is set, docs/configuration.md lists what can be"
