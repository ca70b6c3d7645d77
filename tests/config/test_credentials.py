import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.config.credentials import Credentials, read_credentials

PRIVATE = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
KEY = {
    "type": "service_account",
    "project_id": "my-project",
    "client_email": "voice@my-project.iam.gserviceaccount.com",
    "private_key": PRIVATE,
    "token_uri": "https://oauth2.googleapis.com/token",
}
TEXT = json.dumps(KEY)
BASE64 = base64.b64encode(TEXT.encode()).decode()


def test_a_key_as_json() -> None:
    assert read_credentials("  " + TEXT) == Credentials("service_account", "my-project", KEY)


@pytest.mark.parametrize("text", [BASE64, "\n".join(BASE64[at : at + 76] for at in range(0, len(BASE64), 76))])
def test_a_key_in_base64_in_one_line_or_wrapped(text: str) -> None:
    assert read_credentials(text).info == KEY


def test_a_key_as_a_path(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(TEXT)
    assert read_credentials(str(path)).info == KEY


def test_a_key_as_a_path_in_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key.json").write_text(TEXT)
    assert read_credentials("~/key.json").info == KEY


def test_doubled_backslashes_are_undone() -> None:
    pasted = json.dumps({**KEY, "private_key": PRIVATE.replace("\n", "\\n")})
    assert read_credentials(pasted).info["private_key"] == PRIVATE


@pytest.mark.parametrize(
    ("info", "project"),
    [
        (
            {
                "type": "authorized_user",
                "client_id": "a",
                "client_secret": "b",
                "refresh_token": "c",
                "quota_project_id": "q",
            },
            "q",
        ),
        ({"type": "external_account", "audience": "a", "subject_token_type": "b", "token_url": "c"}, None),
        ({**KEY, "project_id": 5}, None),
    ],
)
def test_other_kinds_of_keys(info: dict[str, Any], project: str | None) -> None:
    read = read_credentials(json.dumps(info))
    assert (read.kind, read.project, read.info) == (info["type"], project, info)


def test_a_key_does_not_show_itself() -> None:
    key = read_credentials(TEXT)
    assert "c2VjcmV0" not in repr(key) + str(key)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/no/such/key.json", "neither JSON, nor base64 of JSON, nor a file"),
        ("~nobody-of-this-name/key.json", "neither JSON"),
        ("a\0b", "neither JSON"),
        ("{not json", "is not JSON"),
        ('{"a":' * 100_000, "is not JSON"),
        (json.dumps({**KEY, "type": "own"}), "without a type that is one of: service_account"),
        ("{}", "without a type"),
        ('{"type": ["service_account"]}', "without a type"),
        ('{"type": "service_account", "client_email": "a"}', "lacks: private_key, token_uri"),
        (json.dumps({**KEY, "private_key": ""}), "lacks: private_key"),
    ],
)
def test_an_unusable_key_is_described_in_words(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_credentials(text)


def test_a_file_that_holds_something_else(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    for content, words in ((b"[1]", "not an object"), (b"hello", "is not JSON"), (b"\xff\xfe", "neither JSON")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=words):
            read_credentials(str(path))


def test_no_problem_repeats_the_key() -> None:
    for damaged in (TEXT[:-1], TEXT[1:], BASE64[:-3], json.dumps({**KEY, "type": "x"})):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words differ
            read_credentials(damaged)
        assert "c2VjcmV0" not in str(caught.value)
        assert damaged[:20] not in str(caught.value)


BASE64_OF_ANYTHING = st.binary().map(lambda data: base64.b64encode(data).decode())


@given(st.text() | st.text().map(lambda text: "{" + text) | BASE64_OF_ANYTHING)
def test_text_of_any_kind_raises_only_value_error(text: str) -> None:
    try:
        read_credentials(text)
    except ValueError:
        return
    pytest.fail("nobody types a key by chance")
