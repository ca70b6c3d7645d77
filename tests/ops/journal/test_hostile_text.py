"""Texts from outside, as the commands show them: no terminal obeys it, and people can read it."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tests.ops.journal.made import (
    Call,
    Desk,
    do,
    refused,
    run,
)
from voicestt.events import (
    Dtmf,
    Event,
    Unrecognised,
    Word,
)
from voicestt.journal import outbox
from voicestt.journal.port import Attempt, Record
from voicestt.ops.journal.words import json_text, plain
from voicestt.runtime.escaping import escaped

COMMANDS = [
    ["calls"],
    ["calls", "--numbers"],
    ["calls", "--numbers", "--json"],
    ["transcript", "CA"],
    ["transcript", "CA", "--format", "srt"],
    ["transcript", "CA", "--format", "vtt"],
    ["transcript", "CA", "--format", "json"],
    ["deliveries"],
    ["deliveries", "--json"],
    ["deliveries", "--attempts"],
    ["deliveries", "--attempts", "--json"],
]
HEBREW = "שָׁלוֹם לך, 😀"
HOSTILE = f"\x1b[2J\x1b]0;gone\x07{HEBREW}\u202e\u2066\u200f\u061c\x9b31m\r\u2028\x7f"


def moves(printed: str) -> list[str]:
    """The characters that a terminal obeys or turns around."""
    return [each for each in printed if each != "\n" and is_obeyed(each)]


def is_obeyed(character: str) -> bool:
    return (
        character in "\u061c\u200e\u200f"
        or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )


def hostile(call: Call) -> list[Event]:
    """Its events, with such text wherever there can be any."""
    return [
        call.started(account_sid=HOSTILE, caller=f"sip:{HOSTILE}", called=HOSTILE),
        call.final(HOSTILE, words=[Word(text=HOSTILE, start=0.0, end=0.5)], recogniser=HOSTILE),
        Dtmf(**call.next(), digit=HOSTILE),
        Unrecognised(**call.next(), why=HOSTILE, seconds=1.0),
        call.ended(HOSTILE),
    ]


def test_no_command_prints_what_a_terminal_would_obey_and_hebrew_is_read(desk: Desk) -> None:
    records = desk.write(*hostile(Call("CA1\x1b[2J\u202e")))
    do(desk, "UPDATE voicestt_sessions SET stream_sid = :text", text=HOSTILE)
    with desk.database.writing() as connection:
        failed = [
            outbox.Failed("webhook", each.number, HOSTILE, is_hopeless=True, attempts=[_attempt(each)])
            for each in records
            if each
        ]
        outbox.apply(connection, failed, 1_795_417_300.0)
    for command in COMMANDS:
        printed = run(*command)
        assert (command, moves(printed)) == (command, [])
        assert HEBREW in printed, command


def _attempt(record: Record) -> Attempt:
    """As a receiver's answer is kept, had it not been escaped."""
    return Attempt(record.number, 1_795_417_300.0, HOSTILE, 422, HOSTILE)


def test_calls_of_a_like_name_are_listed_in_plain_text(desk: Desk) -> None:
    for name in ("CA1\x1b[2J", "CA2\u202e"):
        desk.write(*hostile(Call(name)))
    said = refused("transcript", "CA")
    assert "Which one is it?" in said
    assert moves(said) == []


@given(st.text())
def test_whatever_it_is_nothing_of_it_moves_anything(text: str) -> None:
    assert moves(plain(text)) == moves(escaped(text)) == moves(json_text({"text": text})) == []


@given(st.text(st.characters(min_codepoint=0x590, max_codepoint=0x5FF, categories=["Lo", "Mn", "Po", "Pd"])))
def test_hebrew_with_its_points_is_as_it_was(text: str) -> None:
    assert plain(text) == escaped(text) == text
    assert text in json_text({"text": text})
