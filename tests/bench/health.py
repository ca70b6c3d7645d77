"""The health check of a server under test."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from voicestt.ops.load.own_server import Server


def health(server: Server) -> dict[str, Any]:
    """The answer of GET /healthz."""
    connection = http.client.HTTPConnection(urlsplit(server.target.url).netloc, timeout=30)
    try:
        connection.request("GET", "/healthz")
        told: dict[str, Any] = json.loads(connection.getresponse().read())
        return told
    finally:
        connection.close()
