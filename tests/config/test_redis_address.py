from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.config.redis_address import RedisAddress, redis_address

TEXTS = st.text(min_size=1, max_size=20)
HOSTS = st.sampled_from(["a.example", "10.0.0.1", "[::1]", "localhost"])
PORTS = st.integers(1, 65_535)


def test_a_servers_url_is_left_as_it_is() -> None:
    url = "rediss://me:secret@cache.example.com/3?ssl_cert_reqs=none"
    found = redis_address(url)
    assert (found.kind, found.url, found.hosts) == ("server", url, [("cache.example.com", 6379)])
    assert found.place == "Redis at cache.example.com:6379"


def test_sentinels_have_a_service_a_number_and_a_port_of_their_own() -> None:
    url = "redis+sentinel://me:pass@one,[::1]:5000,two:26380/my%20calls/3?sentinel_password=other%2F&socket_keepalive=1"
    assert redis_address(url) == RedisAddress(
        "sentinel",
        [("one", 26379), ("::1", 5000), ("two", 26380)],
        "redis://me:pass@one/3?socket_keepalive=1",
        "my calls",
        {"password": "other/"},
        ["pass", "other/"],
    )
    assert redis_address(url).place == "Redis my calls (Sentinel at one:26379, [::1]:5000, two:26380)"


def test_a_cluster_has_some_of_its_nodes() -> None:
    found = redis_address("rediss+cluster://:pass@one:7000,two/0")
    assert (found.kind, found.url, found.hosts) == (
        "cluster",
        "rediss://:pass@one:7000",
        [("one", 7000), ("two", 6379)],
    )
    assert found.place == "Redis Cluster at one:7000, two:6379"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://host",
        "redis:host",
        "redis://",
        "redis://:secret@",
        "redis://one,two",
        "redis://host:0",
        "redis://host:secret",
        "redis+sentinel://host",
        "redis+sentinel://host/",
        "redis+sentinel://host/service/secret",
        "redis+sentinel://host/service/1/secret",
        "redis+sentinel://host,,other/service",
        "redis+sentinel://[::1/service",
        "redis+cluster://host/1",
        "redis+secret://host",
        "redis://host#secret",
    ],
)
def test_an_invalid_address_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"redis|has") as caught:
        redis_address(text)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60) | st.builds("redis{}://{}".format, st.sampled_from(["", "+sentinel", "s"]), st.text()))
def test_whatever_is_set_is_an_address_or_a_value_error(text: str) -> None:
    try:
        found = redis_address(text)
    except ValueError:
        return
    assert found.hosts
    assert all(host and 0 < port < 65_536 for host, port in found.hosts)


@given(TEXTS, TEXTS, st.lists(st.tuples(HOSTS, PORTS), min_size=1, max_size=4), TEXTS, st.integers(0, 99))
def test_every_part_of_sentinels_is_read_back(
    user: str, password: str, hosts: list[tuple[str, int]], service: str, number: int
) -> None:
    where = ",".join(f"{host}:{port}" for host, port in hosts)
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    found = redis_address(f"redis+sentinel://{login}@{where}/{quote(service, safe='')}/{number}")
    assert found.hosts == [(host.strip("[]"), port) for host, port in hosts]
    assert found.service == service
    assert found.secrets == [password]
    assert found.url == f"redis://{login}@{hosts[0][0]}:{hosts[0][1]}/{number}"
