import asyncio
import json
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import google.auth.exceptions
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.config.test_credentials import KEY
from voicestt.config.credentials import Credentials, read_credentials
from voicestt.config.settings import BadSettings
from voicestt.recognisers.google.channels import ChannelPool, GoogleTarget
from voicestt.runtime.google_auth import load_key

INSECURE = GoogleTarget("127.0.0.1:1", insecure=True)
SECRET = "c2VjcmV0"


@pytest.fixture(scope="module")
def good_key() -> dict[str, str]:
    """A key as Google makes them, of nobody."""
    private = rsa.generate_private_key(65_537, 2_048)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {**KEY, "private_key": pem}


def in_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_eighty_streams_share_a_channel_and_the_next_gets_another() -> None:
    async def lease_many() -> None:
        pool = ChannelPool(INSECURE)
        async with AsyncExitStack() as leases:
            channels = [await leases.enter_async_context(pool.lease()) for _ in range(161)]
            assert [len(set(map(id, part))) for part in (channels[:80], channels[80:160])] == [1, 1]
            assert len(set(map(id, channels))) == 3
        await pool.close()

    in_a_loop(lease_many)


def test_a_place_that_was_given_back_is_used_again() -> None:
    async def lease_again() -> None:
        pool = ChannelPool(INSECURE)
        async with AsyncExitStack() as leases:
            first = await leases.enter_async_context(pool.lease())
            for _ in range(78):
                await leases.enter_async_context(pool.lease())
            for _ in range(5):
                async with pool.lease() as channel:
                    assert channel is first
        await pool.close()

    in_a_loop(lease_again)


def test_a_closed_pool_opens_anew() -> None:
    async def close_and_lease() -> None:
        pool = ChannelPool(INSECURE)
        async with pool.lease() as first:
            pass
        await pool.close()
        async with pool.lease() as second:
            assert second is not first
        await pool.close()

    in_a_loop(close_and_lease)


def test_with_a_key_the_channel_is_googles(good_key: dict[str, str]) -> None:
    async def lease_secure() -> None:
        pool = ChannelPool(GoogleTarget(key=read_credentials(json.dumps(good_key))))
        async with pool.lease() as one, pool.lease() as other:
            assert one is other
        await pool.close()

    in_a_loop(lease_secure)


def test_without_a_key_that_of_the_machine_is_used(
    good_key: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(good_key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))

    async def lease_by_default() -> None:
        pool = ChannelPool(GoogleTarget("localhost:1"))
        async with pool.lease():
            pass
        await pool.close()

    in_a_loop(lease_by_default)


def test_where_there_is_no_key_at_all_it_is_googles_own_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    async def lease_without() -> None:
        with pytest.raises(google.auth.exceptions.GoogleAuthError):
            async with ChannelPool(GoogleTarget()).lease():
                pass

    in_a_loop(lease_without)


def test_a_key_is_loaded(good_key: dict[str, str]) -> None:
    loaded: Any = load_key(read_credentials(json.dumps(good_key)))
    assert loaded.service_account_email == KEY["client_email"]
    assert loaded.scopes == ["https://www.googleapis.com/auth/cloud-platform"]


def test_a_user_s_own_key_is_loaded() -> None:
    user = {"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"}
    loaded: Any = load_key(read_credentials(json.dumps(user)))
    assert loaded.refresh_token == "c"


def test_a_key_that_cannot_be_loaded_is_said_without_it() -> None:
    with pytest.raises(BadSettings) as caught:
        load_key(read_credentials(json.dumps(KEY)))
    (problem,) = caught.value.problems
    assert problem.startswith("GOOGLE_APPLICATION_CREDENTIALS is a service_account key that Google cannot load")
    assert SECRET not in problem
    assert caught.value.__suppress_context__


JSON = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.lists(st.text())
    | st.dictionaries(st.text(), st.text())
)
KINDS = st.sampled_from(["service_account", "authorized_user", "external_account"])
FIELDS = st.sampled_from(
    ["client_email", "private_key", "token_uri", "project_id", "client_id", "client_secret", "refresh_token"]
) | st.sampled_from(["audience", "subject_token_type", "token_url", "credential_source", "universe_domain"])


@given(kind=KINDS, fields=st.dictionaries(FIELDS, JSON))
def test_whatever_a_key_holds_it_is_loaded_or_a_bad_setting(kind: str, fields: dict[str, Any]) -> None:
    info = {**KEY, **fields, "type": kind}
    try:
        load_key(Credentials(kind, None, info))
    except BadSettings as bad:
        problem = str(bad)
    else:
        return
    assert problem.startswith(f"GOOGLE_APPLICATION_CREDENTIALS is a {kind} key")
