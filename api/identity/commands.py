"""`hookledger token ...` and `hookledger user ...`: API tokens of a running server, and hashes for its settings.

Tokens are made by the server, which alone may write its journal, so these commands talk to its API.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from hookledger.journal.cli.text import say

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS: Final = "http://127.0.0.1:8080"
SECONDS_MAX: Final = 30.0


class Server:
    """The API of a running server, as its caller."""

    def __init__(self, address: str, user: str, password: str | None, token: str | None) -> None:
        self._base = f"{address.rstrip('/')}/api/v1/main/tokens"
        self._token = token
        if token is None and password is None:
            password = click.prompt(f"Password of {user}", hide_input=True, err=True)
        self._auth = None if token is not None else (user, password or "")

    def ask(self, method: str, path: str = "", body: dict[str, str] | None = None) -> Any:
        """Send a request; the answer's JSON, None when there is none. Ends the command when it is refused."""
        import httpx

        headers = {"Authorization": f"Bearer {self._token}"} if self._token is not None else {}
        try:
            response = httpx.request(
                method, self._base + path, json=body, auth=self._auth, headers=headers, timeout=SECONDS_MAX
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            _fail(f"{self._base} cannot be reached: {error}; is the server running? --address says where")
        if response.is_error:
            _fail(_reason(response.status_code, response.text))
        return response.json() if response.content else None


def _server(command: "Callable[..., None]") -> "Callable[..., None]":
    """The options that say which server, and who asks."""
    options = (
        click.option(
            "--address",
            envvar="HOOKLEDGER_PUBLIC_URL",
            default=ADDRESS,
            show_default=True,
            help="Where the server is.",
        ),
        click.option(
            "--user", envvar="HOOKLEDGER_USERNAME", default="admin", show_default=True, help="An admin."
        ),
        click.option(
            "--password", envvar="HOOKLEDGER_PASSWORD", help="Better in HOOKLEDGER_PASSWORD; else asked for."
        ),
        click.option("--token", envvar="HOOKLEDGER_TOKEN", help="A token instead of user and password."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def token() -> None:
    """API tokens of a running server."""


@token.command("create")
@click.argument("name")
@click.option("--role", required=True, help="viewer, operator, auditor or admin.")
@click.option("--expires-in", default="", help="A duration such as P90D. [default: never]")
@_server
def create(name: str, role: str, expires_in: str, **server: Any) -> None:
    """Make a token and print it. It is shown only now."""
    made = Server(**server).ask("POST", body={"name": name, "role": role, "expiresIn": expires_in})
    say(made["token"])
    until = f"until {made['expires']}" if "expires" in made else "until it is revoked"
    say(f"token {made['id']}, {made['role']}, {until}; it is not shown again", err=True)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="JSON for programs.")
@_server
def listed(as_json: bool, **server: Any) -> None:
    """Print all tokens, newest first, without their secrets."""
    from hookledger.journal.cli.text import aligned
    from hookledger.journal.text import quiet, shorten

    found = Server(**server).ask("GET")["results"]
    if as_json:
        say(quiet(json.dumps(found, ensure_ascii=False)))
        return
    names = ("id", "name", "role", "state", "created", "expires", "createdBy")
    rows = [[shorten(one.get(name, "-")) for name in names] for one in found]
    header = ["ID", "NAME", "ROLE", "STATE", "CREATED", "EXPIRES", "BY"]
    for line in aligned([header, *rows]):
        say(line)


@token.command("revoke")
@click.argument("token_id", metavar="ID")
@_server
def revoke(token_id: str, **server: Any) -> None:
    """Make a token good for nothing, at once."""
    from urllib.parse import quote

    Server(**server).ask("DELETE", f"/{quote(token_id, safe='')}")


@click.group()
def user() -> None:
    """Users of the settings."""


@user.command("hash")
def hashed() -> None:
    """Read a password and print what goes into `auth.users` as passwordHash."""
    from hookledger.api.identity.passwords import hash_password

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        _fail("an empty password protects nothing; type one, or pipe it in as one line")
    say(str(hash_password(password)))


@user.command("reset")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("data"),
    envvar="HOOKLEDGER_DATA",
    show_default="./data",
    help="Data directory.",
)
def reset(data: Path) -> None:
    """Give the first user of a data directory a new password and print it; it counts from the next start."""
    from hookledger.api.identity.users import reset_first

    if not data.is_dir():
        _fail(f"no data directory {data}; name it with --data DIR")
    try:
        first = reset_first(data)
    except OSError as error:
        _fail(f"{data} cannot be written: {error.strerror}")
    click.echo(first.generated)
    click.echo(
        f"the password of {first.user.name} from the next start of the server on {data}; "
        "a password in the settings (auth.password) goes before it",
        err=True,
    )


def _reason(status: int, text: str) -> str:
    try:
        problem = json.loads(text)
        return str(problem.get("detail") or problem["title"])
    except (ValueError, KeyError, AttributeError):
        return f"the server answered {status}; is this the address of Hookledger itself?"


def _fail(message: str) -> NoReturn:
    say(message, err=True)
    sys.exit(1)
