import hashlib
import hmac
import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from voicestt.delivery.signatures import signed

KEY = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
KEYS = st.binary(min_size=24, max_size=64)
IDS = st.from_regex(r"[0-9a-f]{32}-[0-9]{6,9}", fullmatch=True)


def test_the_vector_of_the_specification() -> None:
    body = b'{"test": 2432232314}'
    headers = signed([KEY], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_signature_step_by_step() -> None:
    body = "שלום".encode()
    content = b"abc-000001" + b"." + b"1700000000" + b"." + body
    by_hand = b64encode(hmac.new(KEY, content, hashlib.sha256).digest()).decode()
    assert signed([KEY], "abc-000001", 1_700_000_000, body)["webhook-signature"] == f"v1,{by_hand}"


@given(key=KEYS, name=IDS, texts=st.dictionaries(st.text(), st.text()))
def test_the_specifications_library_takes_it(key: bytes, name: str, texts: dict[str, str]) -> None:
    body = json.dumps(texts, ensure_ascii=False).encode("utf-8", "replace")
    now = int(datetime.now(UTC).timestamp())
    assert Webhook(key).verify(body, dict(signed([key], name, now, body))) == json.loads(body)


@given(key=KEYS, other=KEYS)
def test_nobody_else_can_have_signed_it(key: bytes, other: bytes) -> None:
    now = int(datetime.now(UTC).timestamp())
    headers = dict(signed([key], "abc-000001", now, b"{}"))
    changes: list[tuple[bytes, dict[str, str]]] = [
        (b"{ }", headers),
        (b"{}", headers | {"webhook-id": "abc-000002"}),
        (b"{}", headers | {"webhook-timestamp": str(now + 1)}),
    ]
    for body, changed in changes:
        with pytest.raises(WebhookVerificationError):
            Webhook(key).verify(body, changed)
    if key != other:
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(b"{}", headers)
