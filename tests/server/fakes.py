"""An observer that keeps what it is told, calls to speak of, and settings to run with."""

from voicestt.call.facts import (
    CallDescription,
    CallEnded,
    Event,
    Final,
    Partial,
)
from voicestt.config.settings import Settings

TOKEN = "12345678901234567890123456789012"
ENVIRONMENT = {
    "PUBLIC_HOST": "voice.example.com",
    "TWILIO_AUTH_TOKEN": TOKEN,
    "JOURNAL_URL": "off",
    "SHUTDOWN_SECONDS": "0",
}

CALL = CallDescription("CA1", "MZ1", "AC1", "+972501234567", "+972771234567")


def settings_of(**variables: str) -> Settings:
    """Settings that a server can run with, and `variables` besides."""
    return Settings.from_environment({**ENVIRONMENT, **variables})


class Collected:
    """A CallObserver that keeps its events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    @property
    def partials(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Partial)]

    @property
    def finals(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Final)]

    @property
    def end(self) -> CallEnded:
        """The account of the only call that ended."""
        (end,) = (event for event in self.events if isinstance(event, CallEnded))
        return end
