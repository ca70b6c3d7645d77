from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.twilio.problems import CallRefused
from voicestt.emulators.twilio.twiml import (
    FOR_EVER,
    Connect,
    Dial,
    Fetch,
    HangUp,
    Listen,
    Redirect,
    StreamNoun,
    UnknownVerb,
    parse_document,
    parse_twiml,
)

XML = "text/xml; charset=utf-8"


def document(inside: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Response>{inside}</Response>\n'.encode()


def stream(attributes: str, children: str = "") -> bytes:
    return document(f"<Connect><Stream {attributes}>{children}</Stream></Connect>")


def refusal(content_type: str | None, body: bytes) -> CallRefused:
    with pytest.raises(CallRefused) as raised:
        parse_twiml(content_type, body)
    return raised.value


def test_the_stream_is_found_with_everything_about_it() -> None:
    body = stream(
        'url="wss://a.example/ws" track="inbound_track" name="desk" statusCallback="https://a.example/s"',
        '<Parameter name="a" value="1"/><Parameter name="b" value="2"/>',
    )
    wanted = StreamNoun("wss://a.example/ws", "https://a.example/s", "desk", {"a": "1", "b": "2"})
    assert parse_twiml(XML, body) == wanted
    assert parse_twiml("Application/XML", body) == wanted


def test_little_is_enough() -> None:
    assert parse_twiml("text/xml", stream('url="wss://a.example/"')) == StreamNoun("wss://a.example/")


@pytest.mark.parametrize(
    ("content_type", "body", "code", "words"),
    [
        ("text/html", stream('url="wss://a/"'), 12300, "'text/html'"),
        (None, stream('url="wss://a/"'), 12300, "None"),
        (XML, b"\n" + stream('url="wss://a/"'), 12100, "nothing may stand before"),
        (XML, b"", 12100, "nothing may stand before"),
        (XML, b"<Response>", 12100, "not XML"),
        (XML, b'<?xml version="1.0" encoding="klingon"?><Response/>', 12100, "not XML"),
        (XML, b"<!DOCTYPE x><Response/>", 12100, "DOCTYPE"),
        (XML, b"<html/>", 12100, "<html>"),
        (XML, document("<Say>hello</Say>"), None, "no <Connect><Stream>"),
        (XML, stream(""), 31922, "None"),
        (XML, stream('url="ws://a.example/"'), 31922, "wss://"),
        (XML, stream('url="wss:///path"'), 31922, "name a host"),
        (XML, stream('url="wss://[a/"'), 31922, "not a URL"),
        (XML, stream('url="wss://a.example/" track="both_tracks"'), 31941, "both_tracks"),
    ],
)
def test_what_twilio_refuses_is_refused_with_its_number(
    content_type: str | None, body: bytes, code: int | None, words: str
) -> None:
    refused = refusal(content_type, body)
    assert refused.problem.code == code
    assert words in refused.problem.message
    assert (f"(Twilio's error {code})" in str(refused)) is (code is not None)


@given(st.one_of(st.binary(), st.text().map(lambda text: stream(f'url="{text}"', text))))
def test_any_answer_is_a_stream_or_refused(body: bytes) -> None:
    with suppress(CallRefused):
        assert parse_twiml(XML, body).url.startswith("wss://")


def test_the_verbs_of_a_document_come_in_order() -> None:
    body = document(
        """<!-- a comment --><Say voice="x">Fifteen letters</Say><Play loop="2">https://a/b.wav</Play><Pause/>
        <Pause length="3"/><Play loop="0">https://a/b.wav</Play>
        <Connect action="/next" method="get"><Stream url="wss://a/"/></Connect>
        <Dial timeout="7" action="https://a/dialled"><Number>+15555550123</Number></Dial><Dial>desk</Dial>
        <Gather/><Connect><Room>x</Room></Connect><Redirect method="GET"> ../other?a=b </Redirect>
        <Hangup/><Reject/>"""
    )
    assert parse_document(XML, body) == (
        Listen("Say", 1.0),
        Listen("Play", 2.0),
        Listen("Pause", 1),
        Listen("Pause", 3),
        Listen("Play", FOR_EVER),
        Connect(StreamNoun("wss://a/"), Fetch("/next", "GET")),
        Dial(7, Fetch("https://a/dialled")),
        Dial(30),
        UnknownVerb("Gather"),
        UnknownVerb("Connect"),
        Redirect(Fetch("../other?a=b", "GET")),
        HangUp("Hangup"),
        HangUp("Reject"),
    )


@pytest.mark.parametrize("length", ["", "-1", "1.5", "a lot", "9" * 5_000])
def test_a_length_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(CallRefused, match="no whole number"):
        parse_document(XML, document(f'<Pause length="{length}"/>'))


@pytest.mark.parametrize(
    ("track", "tracks"),
    [
        ("inbound_track", ("inbound",)),
        ("outbound_track", ("outbound",)),
        ("both_tracks", ("inbound", "outbound")),
    ],
)
def test_a_stream_of_start_carries_the_tracks_that_it_names(track: str, tracks: tuple[str, ...]) -> None:
    body = f'<Response><Start><Stream url="wss://demo.example/x" track="{track}"/></Start></Response>'
    (verb,) = parse_document("text/xml", body.encode())
    assert isinstance(verb, Connect)
    assert verb.stream.tracks == tracks


@pytest.mark.parametrize(("verb", "track"), [("Start", "all"), ("Connect", "both_tracks")])
def test_a_track_that_a_stream_cannot_have_is_refused(verb: str, track: str) -> None:
    body = f'<Response><{verb}><Stream url="wss://demo.example/x" track="{track}"/></{verb}></Response>'
    with pytest.raises(CallRefused) as caught:
        parse_document("text/xml", body.encode())
    assert caught.value.problem.code == 31941
