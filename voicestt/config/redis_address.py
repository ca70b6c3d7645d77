"""Addresses of Redis as URLs: one server, the primary that Sentinel names, or a Redis Cluster.

    redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER][?OPTIONS]
    redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/SERVICE[/NUMBER][?OPTIONS]
    redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][?OPTIONS]

`rediss…` is the same over TLS, to the Sentinels too. USER and PASSWORD are Redis' own; `sentinel_username` and
`sentinel_password` among the OPTIONS are for the Sentinels. Other OPTIONS are the library's (`Redis.from_url`). It
is the form of Prefect, docket and Redis-Sentinel-Url; that of a cluster is like it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

Kind = Literal["server", "sentinel", "cluster"]
Host = tuple[str, int]

_KINDS: Final[dict[str | None, Kind]] = {None: "server", "sentinel": "sentinel", "cluster": "cluster"}
_PORTS: Final[dict[Kind, int]] = {"server": 6379, "sentinel": 26379, "cluster": 6379}
_PARTS: Final = re.compile(
    r"(?P<tls>rediss?)(?:\+(?P<kind>sentinel|cluster))?://(?P<authority>[^/?#]*)(?P<path>/[^?#]*)?(?:\?(?P<query>[^#]*))?"
)
_SENTINEL_PATH: Final = re.compile(r"/(?P<service>[^/]+)(?:/(?P<number>\d{1,5})?)?")
_OF_SENTINEL: Final = {"sentinel_username": "username", "sentinel_password": "password"}


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """The address of a server, of Sentinels or of a cluster.

    `hosts` are the server, the Sentinels or some of the cluster's nodes. `url` is a server's as the library takes
    it, with the first of the hosts; `sentinel` is how one logs in to the Sentinels; `secrets` are shown nowhere.
    """

    kind: Kind
    hosts: Sequence[Host]
    url: str
    service: str
    sentinel: dict[str, str]
    secrets: Sequence[str]

    @property
    def place(self) -> str:
        """The address in words for people, as the beginning of a sentence, without a secret."""
        hosts = ", ".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        if self.kind == "sentinel":
            return f"Redis {self.service} (Sentinel at {hosts})"
        return f"Redis Cluster at {hosts}" if self.kind == "cluster" else f"Redis at {hosts}"


def redis_address(text: str) -> RedisAddress:
    """Parse a REDIS_URL.

    Raises:
        ValueError: if it is none; the words have nothing of it.
    """
    parts = _PARTS.fullmatch(text)
    if parts is None:
        raise ValueError(
            "is not redis://HOST:PORT/0, redis+sentinel://HOST:PORT/SERVICE, redis+cluster://… or rediss…"
        )
    kind: Kind = _KINDS[parts["kind"]]
    user, at, where = parts["authority"].rpartition("@")
    hosts = list(_hosts(where, kind))
    service, path = _service(kind, parts["path"] or "")
    options = parse_qsl(parts["query"] or "", keep_blank_values=True)
    for_sentinel = {_OF_SENTINEL[name]: value for name, value in options if name in _OF_SENTINEL}
    query = parts["query"] or ""
    if kind == "sentinel":
        query = urlencode([(name, value) for name, value in options if name not in _OF_SENTINEL])
    url = f"{parts['tls']}://{user}{at}{where.split(',')[0]}{path}{'?' * bool(query)}{query}"
    passwords = [unquote(user.partition(":")[2]), *(value for name, value in options if name.endswith("password"))]
    return RedisAddress(kind, hosts, url, service, for_sentinel, [each for each in passwords if each])


def _hosts(text: str, kind: Kind) -> Iterator[Host]:
    entries = text.split(",")
    if kind == "server" and len(entries) > 1:
        raise ValueError("names several hosts, which only redis+sentinel:// and redis+cluster:// have")
    for entry in entries:
        try:
            parts = urlsplit(f"//{entry}")
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or port == 0 or "@" in entry:
            raise ValueError("has a host or a port that cannot be one")
        yield host, port or _PORTS[kind]


def _service(kind: Kind, path: str) -> tuple[str, str]:
    """Return the service's name, and the path of a server's URL."""
    if kind == "server":
        return "", path
    if kind == "cluster":
        if path not in {"", "/", "/0"}:
            raise ValueError("has a /NUMBER, which a Redis Cluster does not: all of it is 0")
        return "", ""
    found = _SENTINEL_PATH.fullmatch(path)
    if found is None:
        raise ValueError("has no /SERVICE or a /NUMBER that is none: redis+sentinel://HOST:PORT/SERVICE/NUMBER")
    return unquote(found["service"]), f"/{found['number'] or 0}"
