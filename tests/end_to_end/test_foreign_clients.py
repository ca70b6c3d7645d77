import hashlib
import struct
import time
from base64 import b64encode
from collections.abc import Iterator

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.bench.raw_calls import TEXT, audio_of
from tests.end_to_end.rig import (
    Server,
    running_server,
    scripted_google,
    stream_with,
)
from tests.end_to_end.twilio_line import (
    BINARY,
    CONTINUATION,
    FIN,
    MEDIA_URL,
    TwilioLine,
    event,
    frame,
)
from voicestt.audio import mulaw
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.twilio.signatures import signed_headers
from voicestt.emulators.twilio.twilio_messages import CONNECTED, Sids, StreamMessages

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SCRIPT = {
    "utterances": [{"text": "one {key} three", "start": 0.1, "end": 0.7}],
    "final_delay": 0.2,
    "quirks": False,
}
FRAMES = 50

Both = tuple[Server, LocalGoogle]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("foreign")
    with scripted_google(SCRIPT) as google, running_server(folder, google.port) as server:
        yield server, google
        assert "Traceback" not in server.output


def arrived(google: LocalGoogle, audio: bytes) -> None:
    """Fails unless one stream got exactly this audio."""
    record = stream_with(google, mulaw.decode(audio))
    assert (record.how, record.half_closed) == ("OK", True)


def test_the_handshake_of_twilio_is_answered_with_101_and_nothing_that_was_not_offered(both: Both) -> None:
    with TwilioLine(both[0].target) as line:
        status, *headers = line.answer.split("\r\n")
        fields = dict(header.lower().split(": ", 1) for header in headers if header)
        assert status.startswith("HTTP/1.1 101 ")
        accept = b64encode(hashlib.sha1((line.key + GUID).encode()).digest()).decode()
        assert fields["sec-websocket-accept"] == accept.lower()
        assert fields["upgrade"] == "websocket"
        assert "sec-websocket-protocol" not in fields
        assert "sec-websocket-extensions" not in fields


def test_a_call_by_a_bare_socket_arrives_whole(both: Both) -> None:
    server, google = both
    audio = audio_of(1_000, FRAMES)
    with TwilioLine(server.target) as line:
        line.begin()
        line.speak(audio)
        assert line.hang_up() == 1000
        arrived(google, audio)
        assert server.wait_for_final(line.sids.call)


def test_messages_in_fragments_arrive_whole_and_a_ping_between_them_is_answered(both: Both) -> None:
    server, google = both
    audio = audio_of(1_001, FRAMES)
    with TwilioLine(server.target) as line:
        line.begin()
        for number, message in enumerate(line.media(audio)):
            third = len(message) // 3
            line.socket.sendall(frame(TEXT & ~FIN, message[:third]) + frame(CONTINUATION, message[third:-third]))
            if number % 10 == 0:
                line.ping(b"are you there %d" % number)
                assert line.pong() == b"are you there %d" % number
            line.socket.sendall(frame(CONTINUATION | FIN, message[-third:]))
        assert line.hang_up() == 1000
        arrived(google, audio)


def test_frames_cut_anywhere_and_frames_together_in_one_segment_arrive_whole(both: Both) -> None:
    server, google = both
    audio = audio_of(1_002, FRAMES)
    with TwilioLine(server.target) as line:
        line.begin()
        data = b"".join(frame(TEXT, message) for message in line.media(audio))
        sizes = [1, 2, 3, 5, 7, 11, 130, 700, 2_000]
        at = 0
        while at < len(data):
            size = sizes[at % len(sizes)]
            line.socket.sendall(data[at : at + size])
            at += size
            time.sleep(0.002)  # so that the pieces are segments of their own
        assert line.hang_up() == 1000
        arrived(google, audio)


def test_what_cannot_be_understood_closes_nothing_and_loses_no_byte(both: Both) -> None:
    server, google = both
    audio = audio_of(1_003, FRAMES)
    rubbish = [
        frame(TEXT, b"}{ not JSON"),
        frame(TEXT, b""),
        frame(TEXT, b"\xff\xfe\x00 not UTF-8"),
        frame(TEXT, b'["a", "list"]'),
        frame(TEXT, b"[" * 5_000),
        frame(TEXT, event("media", media={"track": "inbound", "payload": "***"}).encode()),
        frame(TEXT, event("weather", weather={"sunny": True}).encode()),
        frame(TEXT, event("dtmf", dtmf={"track": "inbound_track", "digit": "1"}).encode()),
        frame(TEXT, CONNECTED.encode()),
        frame(BINARY | FIN, bytes(range(256))),
    ]
    with TwilioLine(server.target) as line:
        line.begin()
        for number, message in enumerate(line.media(audio)):
            line.socket.sendall(frame(TEXT, message) + rubbish[number % len(rubbish)])
        assert line.hang_up() == 1000
        arrived(google, audio)
        assert server.wait_for_final(line.sids.call)
    (summary,) = server.wait_for("ignored:")
    assert f"{len(audio)} bytes" in summary
    assert "5 messages of an unknown kind" in summary
    assert "messages not understood" in summary


@pytest.mark.parametrize("length", [1, 37, 160, 4_000])
def test_audio_may_come_in_pieces_of_any_length(both: Both, length: int) -> None:
    server, google = both
    audio = audio_of(1_100 + length, 1 if length == 1 else FRAMES)
    with TwilioLine(server.target) as line:
        line.begin()
        messages = StreamMessages(line.sids)
        for at in range(0, len(audio), length):
            line.say(messages.media(audio[at : at + length]))
        assert line.hang_up() == 1000
        arrived(google, audio)


def test_an_oversized_frame_ends_its_own_socket_only(both: Both) -> None:
    server, _ = both
    with TwilioLine(server.target) as line, TwilioLine(server.target) as other:
        line.begin()
        line.socket.sendall(bytes([TEXT, 0x80 | 127]) + struct.pack("!Q", 10_000_000) + b"\0\0\0\0")
        assert line.close_code() in {None, 1009}
        other.ping(b"still here?")
        assert other.pong() == b"still here?"


@pytest.mark.parametrize("offered", [[], [Subprotocol("audio.twilio.com")], [Subprotocol("chat")]], ids=str)
def test_the_websockets_library_makes_a_call(both: Both, offered: list[Subprotocol]) -> None:
    server, google = both
    number = 2_000 + len("".join(offered))
    audio, sids = audio_of(number, FRAMES), Sids()
    messages = StreamMessages(sids)
    headers = signed_headers(server.services.auth_token, MEDIA_URL)
    url = f"ws://127.0.0.1:{server.port}/ws/twilio-media"
    with connect(url, additional_headers=headers, subprotocols=offered or None) as call:
        assert call.subprotocol == ("audio.twilio.com" if "audio.twilio.com" in offered else None)
        assert call.protocol.extensions == []
        call.send(CONNECTED)
        call.send(messages.start({}))
        for at in range(0, len(audio), 160):
            call.send(messages.media(audio[at : at + 160]))
        assert call.ping(b"hello").wait(10)
        call.send(messages.stop())
        arrived(google, audio)
    assert call.close_code == 1000
    key = hashlib.sha256(mulaw.decode(audio[:160])).hexdigest()[:8]
    assert server.wait_for_final(sids.call) == [f"one {key} three"]
