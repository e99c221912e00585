"""Runs an `http.Request` and takes apart what a server got."""

from typing import Any

from hookledger.actors.http_client import HttpClient
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http import Request

from .context import FakeContext, failure_of, made, outputs_of


async def asked(http: HttpClient, uri: str, **properties: Any) -> Any:
    return await outputs_of(made(Request, uri=uri, **properties), FakeContext(http=http))


async def refused(http: HttpClient, uri: str, **properties: Any) -> TaskFailed:
    return await failure_of(made(Request, uri=uri, **properties), FakeContext(http=http))


def head_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]
