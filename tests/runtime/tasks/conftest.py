"""What tests of tasks share."""

from collections.abc import AsyncGenerator

import pytest

from hookledger.actors.http_client import HttpClient, open_http_client


@pytest.fixture(name="http")
async def opened_client() -> AsyncGenerator[HttpClient]:
    async with open_http_client() as client:
        yield client
