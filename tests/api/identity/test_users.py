"""Users of the settings, and their passwords."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hookledger.api.cli import main
from hookledger.api.config import ConfigInvalid, load_config
from hookledger.api.identity.passwords import HashInvalid, hash_password, parse_hash
from hookledger.api.identity.users import GOOD_MAX, User, Users, first_user
from hookledger.api.permissions import Role
from tests.api.site import open_site

from .people import API, auth, password_of, peopled, quick_hash

SEARCH = f"{API}/executions/search"
HASH = str(quick_hash("x"))


def user(name: str, password: str, role: Role = Role.VIEWER) -> User:
    return User(name=name, role=role, password=quick_hash(password))


async def test_users_of_the_settings_may_come_in(tmp_path: Path) -> None:
    """
    With a password written out or with its hash, beside the first user; each with their own password only.
    """
    plain = [{"name": "Zoë", "role": "viewer", "password": "pass:wörd"}]
    async with open_site(tmp_path, auth__users=plain) as site:
        credentials = ("Zoë".encode(), "pass:wörd".encode())
        assert (await site.client.get(SEARCH, auth=credentials)).status_code == 200
        assert (await site.client.get(SEARCH, auth=("tester", "pass:wörd"))).status_code == 401
    async with peopled(tmp_path) as site:
        assert (await site.client.get(SEARCH, auth=auth("viewer"))).status_code == 200
        assert (await site.client.get(SEARCH, auth=("the-viewer", password_of("admin")))).status_code == 401
        assert (await site.client.get(SEARCH, auth=("tester", "correct horse"))).status_code == 200


@pytest.mark.parametrize(
    ("users", "says"),
    [
        ([{"name": "a", "role": "vewer", "password": "x"}], r"users\[0\].*`vewer`.*did you mean `viewer`"),
        ([{"name": "a", "role": "Admin", "password": "x"}], r"`Admin`.*did you mean `admin`"),
        ([{"name": "a", "role": "viewer", "password": ""}], r"users\[0\].*`a` has no password.*user hash"),
        ([{"name": "a", "role": "viewer"}], r"no password"),
        ([{"name": "a", "role": "viewer", "password": "x", "passwordHash": HASH}], r"a password and a"),
        ([{"name": "a", "role": "viewer", "passwordHash": "$2b$12$abc"}], r"form \$scrypt\$.*user hash"),
        ([{"name": "a", "role": "viewer", "passwordHash": HASH[:-20]}], r"cut off"),
        ([{"name": "a", "role": "viewer", "passwordHash": HASH.replace("10", "30")}], r"ln from 10"),
        ([{"name": "", "role": "viewer", "password": "x"}], r"name: ''"),
        ([{"name": "a:b", "role": "viewer", "password": "x"}], r"no colon"),
        ([{"name": "admin", "role": "viewer", "password": "x"}], r"`admin` is the first user already"),
        (
            [
                {"name": "a", "role": "viewer", "password": "x"},
                {"name": "a", "role": "admin", "password": "y"},
            ],
            r"users\[1\].*`a` stands at auth\.users\[0\]",
        ),
        ([{"name": "a", "password": "x"}], r"role"),
        ([{"name": "a", "role": "viewer", "pasword": "x"}], r"pasword"),
        ([{"name": "a", "role": "x", "password": ""}], r"users\[0\].*; auth\.users\[0\]"),
    ],
)
def test_a_user_that_cannot_be_used_is_named(users: list[dict[str, Any]], says: str) -> None:
    """
    Every mistake is told before anything starts, with its place and what to do.
    """
    with pytest.raises(ConfigInvalid, match=says) as caught:
        load_config(environment={}, flags={"auth.users": users})
    assert HASH not in str(caught.value)


async def test_the_kept_first_user_counts_too(tmp_path: Path) -> None:
    """
    A name that the data directory has for the first user is taken, also when the settings do not say so.
    """
    async with open_site(tmp_path, auth__username="alice", auth__password="") as site:
        assert (site.data / "credentials.json").exists()
    more = [{"name": "alice", "role": "viewer", "password": "x"}]
    with pytest.raises(ExceptionGroup) as caught:
        async with open_site(tmp_path, auth__username="", auth__password="", auth__users=more):
            pass
    assert caught.group_contains(ConfigInvalid, match="`alice` is the first user already")


async def test_a_generated_password_is_told_until_it_was_used(tmp_path: Path) -> None:
    """
    Each start prints it, once, until somebody has come in with it; a wrong one changes nothing. Then no file holds it.
    """

    async def started(use: str = "") -> str:
        async with open_site(tmp_path, auth__username="", auth__password="") as site:
            await site.line("Ctrl-C stops it.")
            (line,) = [line for line in site.said if line.startswith("API user admin, password ")]
            password = line.split()[4]
            if use:
                answer = await site.client.get(
                    SEARCH, auth=("admin", password if use == "right" else "wrong")
                )
                assert answer.status_code == (200 if use == "right" else 401)
            assert password == "as" or "\n".join(site.said).count(password) == 1
        return password

    first = await started()
    assert await started("wrong") == first
    assert (tmp_path / "data/first-password").stat().st_mode & 0o777 == 0o600
    assert await started("right") == first
    assert await started() == "as"
    assert not any(
        first.encode() in path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()
    )


async def test_a_lost_password_is_made_anew(tmp_path: Path) -> None:
    """
    `hookledger user reset` prints a new password for the same name; it counts from the next start, the old one no more.
    """
    async with open_site(tmp_path, auth__username="alice", auth__password="") as site:
        old = next(line.split()[4] for line in site.said if line.startswith("API user alice"))
    done = CliRunner().invoke(main, ["user", "reset", "--data", str(tmp_path / "data")])
    assert (done.exit_code, "alice" in done.stderr) == (0, True)
    async with open_site(tmp_path, auth__username="", auth__password="") as site:
        assert (await site.client.get(SEARCH, auth=("alice", old))).status_code == 401
        assert (await site.client.get(SEARCH, auth=("alice", done.stdout.strip()))).status_code == 200
    none = CliRunner().invoke(main, ["user", "reset", "--data", str(tmp_path / "none")])
    assert (none.exit_code, "no data directory" in none.stderr) == (1, True)


def test_show_masks_every_password(tmp_path: Path) -> None:
    """
    `config show` prints users without passwords and hashes.
    """
    file = tmp_path / "hookledger.yaml"
    file.write_text(
        f"auth:\n  users:\n    - {{name: a, role: viewer, password: hidden-thing}}\n"
        f"    - {{name: b, role: admin, passwordHash: '{HASH}'}}\n"
    )
    result = CliRunner().invoke(main, ["config", "show", "--config", str(file)], env={})
    assert result.exit_code == 0, result.output
    assert "hidden-thing" not in result.output
    assert HASH not in result.output
    assert result.output.count("******") == 2


def test_a_hash_is_one_line_that_is_read_back() -> None:
    """
    What `user hash` prints is what `passwordHash` takes, under a new salt each time.
    """
    made = [CliRunner().invoke(main, ["user", "hash"], input="sécret\n").stdout for _ in range(2)]
    assert made[0] != made[1]
    for line in made:
        kept = parse_hash(line)
        assert line == f"{kept}\n"
        assert (kept.n, kept.r, kept.p) == (2**17, 8, 1)
    empty = CliRunner().invoke(main, ["user", "hash"], input="\n")
    assert (empty.exit_code, empty.stdout) == (1, "")


@pytest.mark.parametrize(
    "line", ["", "x", HASH + "$", HASH.replace("r=1", "r=0"), HASH.replace("p=1", "p=9")]
)
def test_a_broken_hash_is_refused(line: str) -> None:
    """
    Other forms and costs that would stop nobody, or us.
    """
    with pytest.raises(HashInvalid):
        parse_hash(line)


async def test_a_name_nobody_has_is_checked_like_one_somebody_has() -> None:
    """
    Equal time by construction: each check derives one key at the cost of one of the users, the same one for the same
    name; and the password of that one does not let the name in.
    """
    users = Users([user("a", "x"), User(name="b", password=hash_password("x"))])
    costs = set()
    for number in range(40):
        name = f"nobody {number}"
        assert users._decoy(name) is users._decoy(name)
        costs.add(users._decoy(name).password.n)
    assert costs == {2**10, 2**17}
    for name in ("nobody 1", "nobody 2", "A", "a ", ""):
        assert await users.matches(name, "x") is None
    found = await users.matches("a", "x")
    assert found is not None
    assert found.name == "a"


async def test_right_headers_are_remembered_within_bounds() -> None:
    """
    Of several users, the least used first forgotten; no header and no password is kept as it came.
    """
    users = Users([user("a", "x"), user("b", "y")])
    first, second = users._users.values()
    users.remember("Basic one", "net", first)
    for number in range(GOOD_MAX - 1):
        users.remember(f"Basic {number}", "net", second)
    assert users.remembered("Basic one", "net") is first
    assert users.remembered("Basic one", "other") is None
    users.remember("Basic more", "net", second)
    assert users.remembered("Basic one", "net") is first
    assert users.remembered("Basic 0", "net") is None
    assert len(users._good) == GOOD_MAX
    assert not any(b"Basic" in key for key in users._good)


def test_a_stored_password_is_expensive(tmp_path: Path) -> None:
    """
    What is stored takes 2^17 blocks of 1 KiB to check, in `credentials.json` and from `hookledger user hash`; hashes of
    older settings are still taken. What stands in the settings in clear is stored nowhere and costs less.
    """
    assert str(hash_password("x")).startswith("$scrypt$ln=17,r=8,p=1$")
    made = first_user(tmp_path)
    assert json.loads((tmp_path / "credentials.json").read_bytes())["n"] == 2**17
    assert made.user.password.n == 2**17
    assert parse_hash(str(hash_password("x", n=2**15))).n == 2**15
    assert first_user(tmp_path, password="in clear").user.password.n < 2**17
