import email
import io
import wave
from email.message import Message

from voicestt.audio import mulaw
from voicestt.recognisers.whisper.form import form_of, wav_of

AUDIO = bytes(range(256)) * 10


def parts_of(content_type: str, body: bytes) -> dict[str, Message]:
    """The parts of a form by their names, as the standard library reads it."""
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts: list[Message] = message.get_payload()  # type: ignore[assignment]
    return {str(part.get_param("name", header="content-disposition")): part for part in parts}


def test_the_recording_is_a_wav_of_the_telephone() -> None:
    with wave.open(io.BytesIO(wav_of(AUDIO))) as reader:
        assert (reader.getframerate(), reader.getsampwidth(), reader.getnchannels()) == (8_000, 2, 1)
        assert reader.readframes(10_000) == mulaw.decode(AUDIO)


def test_the_form_holds_the_recording_and_what_is_wanted() -> None:
    form = form_of(AUDIO, {"model": "whisper-1", "language": "he"})
    parts = parts_of(form.content_type, form.body)
    wanted = {name: parts[name].get_payload() for name in ("model", "language", "response_format")}
    assert wanted == {"model": "whisper-1", "language": "he", "response_format": "json"}
    assert parts["file"].get_content_type() == "audio/wav"
    assert parts["file"].get_filename() == "utterance.wav"
    assert parts["file"].get_payload(decode=True) == wav_of(AUDIO)


def test_no_two_forms_have_the_same_boundary() -> None:
    assert form_of(AUDIO, {}).content_type != form_of(AUDIO, {}).content_type
