"""`http.Request` and the port it goes through."""

from hookledger.runtime.tasks.http.port import HttpAnswer, HttpPort, HttpRequest
from hookledger.runtime.tasks.http.request import Request

__all__ = ["HttpAnswer", "HttpPort", "HttpRequest", "Request"]
