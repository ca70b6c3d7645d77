from tests.server.fakes import settings_of
from voicestt.server.fleet_member import streams_of

REDIS = "redis://127.0.0.1/0"


def test_without_a_fleet_the_workers_of_a_server_share_its_quota_evenly() -> None:
    assert streams_of(settings_of()) is None
    assert streams_of(settings_of(GCP_STT_STREAMS="280")) == 280
    assert streams_of(settings_of(GCP_STT_STREAMS="280", WEB_CONCURRENCY="4")) == 70
    assert streams_of(settings_of(GCP_STT_STREAMS="1", WEB_CONCURRENCY="4")) == 1


def test_in_a_fleet_it_is_the_fleets() -> None:
    assert streams_of(settings_of(GCP_STT_STREAMS="280", WEB_CONCURRENCY="4", FLEET_REDIS_URL=REDIS)) == 280
