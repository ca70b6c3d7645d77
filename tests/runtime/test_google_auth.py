import json
from pathlib import Path

import google.auth.exceptions
import pytest

from tests.config.test_credentials import KEY
from tests.recognisers.google.test_channels import good_key
from voicestt.config.credentials import read_credentials
from voicestt.config.settings import BadSettings
from voicestt.runtime.google_auth import default_key, load_key

__all__ = ["good_key"]  # a fixture


def test_a_good_key_is_one_for_google_cloud(good_key: dict[str, str]) -> None:
    loaded = load_key(read_credentials(json.dumps(good_key)))
    assert getattr(loaded, "scopes", None) == ["https://www.googleapis.com/auth/cloud-platform"]


def test_a_key_that_cannot_be_loaded_is_refused_without_a_letter_of_it() -> None:
    key = read_credentials(json.dumps({**KEY, "private_key": "c2VjcmV0"}))
    with pytest.raises(BadSettings, match="is a service_account key that Google cannot load") as refused:
        load_key(key)
    assert "c2VjcmV0" not in str(refused.value)


def test_the_key_of_the_machine_is_found_or_is_googles_own_error(
    good_key: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "key.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(google.auth.exceptions.DefaultCredentialsError):
        default_key()
    path.write_text(json.dumps(good_key))
    assert default_key() is not None
