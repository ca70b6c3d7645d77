from xml.etree import ElementTree

from twilio.twiml.voice_response import Connect, VoiceResponse  # type: ignore[import-untyped]

from voicestt.twilio import twiml

WANTED = b"""\
<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Connect>
    <Stream url="wss://voice.example.com/ws/twilio-media"
            track="inbound_track"
            statusCallbackEvent="start mark stop"
            statusCallback="https://voice.example.com/webhook/stream_status"
            />
  </Connect>
</Response>
"""


def canonical(xml: str) -> str:
    return ElementTree.canonicalize(xml, strip_text=True)


def test_the_document_is_this_to_the_byte() -> None:
    assert twiml.connect_stream("voice.example.com") == WANTED


def test_it_is_what_twilio_s_own_library_renders() -> None:
    response = VoiceResponse()
    connect = Connect()
    connect.stream(
        url="wss://voice.example.com/ws/twilio-media",
        track="inbound_track",
        status_callback="https://voice.example.com/webhook/stream_status",
        statusCallbackEvent="start mark stop",
    )
    response.append(connect)
    assert canonical(WANTED.decode()) == canonical(str(response))


def test_the_urls_are_those_that_the_document_names() -> None:
    stream = ElementTree.fromstring(WANTED).find("Connect/Stream")
    assert stream is not None
    assert stream.get("url") == twiml.media_url("voice.example.com")
    assert stream.get("statusCallback") == twiml.webhook_url("voice.example.com", twiml.STREAM_STATUS)


def test_a_port_of_the_public_host_stays() -> None:
    assert b'url="wss://voice.example.com:8443/ws/twilio-media"' in twiml.connect_stream("voice.example.com:8443")


def test_a_call_may_ask_again_when_its_stream_is_over() -> None:
    document = twiml.connect_stream("voice.example.com", "again=1&since=7")
    assert document.startswith(WANTED.removesuffix(b"</Response>\n"))
    redirect = ElementTree.fromstring(document)[1]
    assert (redirect.tag, redirect.get("method")) == ("Redirect", "POST")
    assert redirect.text == twiml.incoming_call_url("voice.example.com", "again=1&since=7")


def test_a_live_call_is_told_to_ask_later() -> None:
    pause, redirect = ElementTree.fromstring(twiml.ask_later("voice.example.com", 2, "again=0&since=7"))
    assert (pause.tag, pause.get("length")) == ("Pause", "2")
    assert redirect.text == "https://voice.example.com/webhook/incoming_call?again=0&since=7"


def test_a_call_that_was_hung_up_is_hung_up() -> None:
    assert [verb.tag for verb in ElementTree.fromstring(twiml.HANG_UP)] == ["Hangup"]
