from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.ops.gonogo.run_contexts import ENVIRON
from tests.recognisers.on_reactor import reactor
from voicestt.config.settings import Settings, differences
from voicestt.ops.gonogo.started import StartedServer

USERS = {
    **ENVIRON,
    "EVENTS_WEBHOOK_URL": "https://crm.shop.co.il/calls",
    "EVENTS_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "REDIS_URL": "redis://:s3cret@redis.shop.co.il/0",
    "JOURNAL_URL": "postgresql://u:s3cret@db.shop.co.il/calls",
    "TWILIO_API_URL": "https://api.dublin.ie1.twilio.com",
    "VOICESTT_ENV_FILE": "/etc/voicestt.env",
    "EVENTS_FILE": "/var/log/calls",
    "VOICESTT_SOCKET": "/run/voicestt/control",
    "RECORD": "both",
    "RECORD_STORE": "s3://shop-calls",
    "RECORD_STORE_ENDPOINT": "https://s3.shop.co.il",
}
KEPT = {"HANDLER": "shop.calls:Agent", "EVENTS_TOKEN": "t0ken", "GREETING": "off", "JOURNAL_REDACT": "texts"}
OWN = ["EVENTS_FILE", "TWILIO_API_URL", "JOURNAL_URL", "VOICESTT_SOCKET", "SHUTDOWN_SECONDS"]
ITS_OWN = [*OWN, "RECORD", "RECORD_DIR"]
FOLDER = Path(__file__).resolve().parent
TO_NOBODY = ["EVENTS_WEBHOOK_URL", "EVENTS_WEBHOOK_SECRET", "REDIS_URL", "RECORD_STORE", "RECORD_STORE_ENDPOINT"]


@given(left_out=st.sets(st.sampled_from(sorted({*USERS, *KEPT} - set(ENVIRON)))))
def test_a_server_of_ones_own_leads_nowhere_whatever_is_set(left_out: set[str]) -> None:
    environ = {name: value for name, value in {**USERS, **KEPT}.items() if name not in left_out}
    server = StartedServer(reactor, FOLDER, environ)
    own = server.environ
    assert not {*TO_NOBODY, "VOICESTT_ENV_FILE"} & own.keys()
    assert own["JOURNAL_URL"] == server.journal_url == f"sqlite:///{FOLDER}/journal.db"
    assert own["TWILIO_API_URL"] == "http://127.0.0.1:1"
    assert own["RECORD"] == "off"
    assert Path(own["EVENTS_FILE"]).parent == Path(own["VOICESTT_SOCKET"]).parent == FOLDER
    assert {name: own.get(name) for name in KEPT} == {name: environ.get(name) for name in KEPT}


def test_everything_else_is_as_the_user_has_it(tmp_path: Path) -> None:
    environ = {**USERS, **KEPT}
    own = StartedServer(reactor, tmp_path, environ).environ
    others = differences(Settings.from_environment(environ), Settings.from_environment(own))
    assert sorted(others) == sorted([*ITS_OWN, *TO_NOBODY])
