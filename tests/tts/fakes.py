"""A synthesiser that keeps what it is given."""

from voicestt.tts.port import SpeechError


class Parrot:
    """Answers a text with its letters, as bytes; refuses a text with "refuse" in it."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def speak(self, text: str) -> bytes:
        self.texts.append(text)
        if "refuse" in text:
            raise SpeechError("refused")
        return text.encode()
