from collections.abc import Iterator

import pytest
from redis import Redis

from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def fleet_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One for all tests of this room that leave it running."""
    with RedisServer(tmp_path_factory.mktemp("fleet"), keeps=False) as server:
        yield server


@pytest.fixture
def redis_client(fleet_redis: RedisServer) -> Iterator[Redis]:
    with Redis(port=fleet_redis.port) as client:
        client.flushall()
        yield client
