"""Server-sent events, read as a browser reads them: WHATWG HTML, section 9.2.6."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One event, with the id that a browser would send when it connects again."""

    id: str
    event: str
    data: str


class Reader:
    """Bytes in, in pieces of any size; messages and comments out."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.comments: list[str] = []
        self.retry: int | None = None
        self._rest = b""
        self._last_id = ""
        self._event = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.decode())

    def _line(self, line: str) -> None:
        if not line:
            self._dispatch()
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "":
                self.comments.append(value)
            case "id":
                self._last_id = value
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
            case "retry":
                self.retry = int(value)

    def _dispatch(self) -> None:
        if self._data:
            self.messages.append(Message(self._last_id, self._event or "message", "\n".join(self._data)))
        self._event, self._data = "", []


def dechunked(body: bytes) -> tuple[bytes, bool]:
    """The part that has come of a body in chunks (RFC 9112 section 7.1), and whether it has ended."""
    whole = b""
    while (end := body.find(b"\r\n")) >= 0:
        size = int(body[:end], 16)
        if not size:
            return whole, True
        if len(body) < end + 4 + size:
            break
        whole += body[end + 2 : end + 2 + size]
        body = body[end + 4 + size :]
    return whole, False
