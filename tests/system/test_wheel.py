"""The built wheel in somebody else's program."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from .processes import ROOT, SECONDS_MAX

ROOMS = ("runtime", "actors", "api", "journal")

HOST = """
import sys
import api
assert api.MINE == "the host's own package"

import trio
from hookledger.actors import Engine

assert "hookledger.api" not in sys.modules
loaded = {name.partition(".")[0] for name in sys.modules} & {"quart", "quart_trio", "hypercorn", "flask", "httpx"}
assert not loaded, loaded

FLOW = '''
id: greet
namespace: host
tasks:
  - {id: hello, type: io.kestra.plugin.core.debug.Return, format: "Hello {{ trigger.name }}!"}
outputs:
  - {id: greeting, type: STRING, value: "{{ outputs.hello.value }}"}
'''

async def main():
    async with Engine.open("data") as engine:
        await engine.register(FLOW)
        execution = await engine.trigger("host", "greet", variables={"name": "Alice"})
        print((await execution.outputs())["greeting"])

trio.run(main)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once from the tree."""
    directory = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(directory),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS_MAX)
    (built,) = directory.glob("*.whl")
    return built


def test_one_top_level_name_and_every_file(wheel: Path) -> None:
    """
    The archive installs `hookledger` and nothing else, with exactly the files of the four rooms.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    tree = {
        f"hookledger/{path.relative_to(ROOT)}"
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name.partition("/")[0] for name in packed} == {"hookledger"}
    assert packed == tree
    assert {f"hookledger/{room}/py.typed" for room in ROOMS} <= packed


def test_a_host_program_keeps_its_own_names(wheel: Path, tmp_path: Path) -> None:
    """
    In a clean environment a host with a top-level `api` of its own embeds the engine; no web framework is loaded.

    The environment holds the wheel alone; its dependencies are read from the one the suite runs in.
    """
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    python = str(home / "bin/python")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True, timeout=SECONDS_MAX)
    (site,) = home.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(
        sysconfig.get_path("purelib") + "\n"
    )  # its .pth files are not read
    host = tmp_path / "host"
    (host / "api").mkdir(parents=True)
    (host / "api/__init__.py").write_text('MINE = "the host\'s own package"\n')
    (host / "program.py").write_text(HOST)
    done = subprocess.run(
        [python, "-P", "-c", "import sys; sys.path.insert(0, '.'); exec(open('program.py').read())"],
        cwd=host, capture_output=True, text=True, check=False, timeout=SECONDS_MAX, env={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout == "Hello Alice!\n", done.stderr
    where = subprocess.run(
        [python, "-c", "import hookledger.actors as a; print(a.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True, timeout=SECONDS_MAX, env={},
    )  # fmt: skip
    assert str(site) in where.stdout
    version = subprocess.run(
        [str(home / "bin/hookledger"), "--version"], capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith("hookledger, version ")
