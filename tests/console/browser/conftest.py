"""Chromium for one module at a time, one server for all of them, windows for one test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from .house import FLAGS, House, Visits, served
from .seeds import seed

CHROMIUM = shutil.which("chromium")
MINUTES = 14

expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the flows and the journal of a morning; nobody serves it, everybody copies it."""
    directory = tmp_path_factory.mktemp("morning")
    seed(directory, MINUTES)
    return directory


@pytest.fixture(scope="session")
def house(morning: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The server."""
    directory = tmp_path_factory.mktemp("house")
    shutil.copytree(morning, directory, dirs_exist_ok=True)
    with served(directory) as made:
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The browser. Playwright's loop stands in this thread while it is open, so it never outlives its module."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium here; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visits(chromium: Browser, house: House) -> Iterator[Visits]:
    """Windows; a test fails when one of them saw an error, a refused resource or a dialog nobody asked for."""
    made = Visits(chromium, house)
    yield made
    made.close()
    assert made.wrong == []
