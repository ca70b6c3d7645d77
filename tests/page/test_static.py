"""The page's files: vendored ones are as released, both languages are complete, nothing is from elsewhere."""

import json
import re
from hashlib import sha256
from importlib.resources import files

import pytest

STATIC = files("voicestt.page").joinpath("static")
VENDOR = STATIC.joinpath("vendor")
OURS = sorted(each.name for each in STATIC.iterdir() if each.name.endswith(".js"))
_KEY = re.compile(r'^  "([^"]+)": "(.*)",$', re.MULTILINE)


def source(name: str) -> str:
    """The text of one of the page's files."""
    return STATIC.joinpath(name).read_text("utf-8")


def words(language: str) -> dict[str, str]:
    """The page's texts in a language."""
    return dict(_KEY.findall(source(f"words.{language}.js")))


def test_vendored_files_are_those_that_were_released_and_no_others_are_there() -> None:
    listed = json.loads(VENDOR.joinpath("vendored.json").read_text("utf-8"))["packages"]
    hashes = {each["file"]: each["sha256"] for package in listed for each in package["files"]}
    there = {each.name: sha256(each.read_bytes()).hexdigest() for each in VENDOR.iterdir()}
    assert {name: digest for name, digest in there.items() if name != "vendored.json"} == hashes
    for package in listed:
        assert package["licence"] in {"MIT", "Apache-2.0"}
        assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
        assert any(each["released_as"] == "LICENSE" for each in package["files"])


def test_hebrew_and_english_are_both_complete() -> None:
    english, hebrew = words("en"), words("he")
    assert list(english) == list(hebrew)
    assert len(english) == source("words.en.js").count('": "')
    for key, text in hebrew.items():
        assert not english[key] or re.search("[א-ת]", text), key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", english[key])), key


def test_every_text_that_is_shown_is_in_the_words() -> None:
    english = words("en")
    for name in OURS:
        for key in re.findall(r'\bt\("([^"]+)"', source(name)):
            assert key in english, f"{name}: {key}"
        for prefix in re.findall(r"\b(?:t|known)\(`([\w.]+?)\$\{", source(name)):
            assert any(key.startswith(prefix) for key in english), f"{name}: {prefix}"


@pytest.mark.parametrize("name", [*OURS, "index.html", "style.css", "views.css"])
def test_nothing_comes_from_elsewhere_or_stands_inline(name: str) -> None:
    text = source(name)
    assert not re.search(r"https?://", text)
    assert not re.search(r"innerHTML|dangerouslySetInnerHTML|eval\(|new Function|sourceMappingURL", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=\"", text)
