"""The settings of the page at `/`: who may open it, and for how long."""

from dataclasses import dataclass

from voicestt.config import readers as read
from voicestt.config.variable import setting

FEWEST_LETTERS = 8


def password(text: str) -> str:
    """Read a password of the page, which is not repeated in an error."""
    if len(text) < FEWEST_LETTERS:
        raise ValueError(f"is shorter than {FEWEST_LETTERS} letters: openssl rand -base64 18")
    return text


@dataclass(frozen=True, kw_only=True)
class PageSettings:
    """The settings of the page."""

    page_password: str | None = setting(
        "PAGE_PASSWORD",
        None,
        password,
        "Opens the page at `/` of PUBLIC_HOST: live calls, the journal, the server's health, and what can be "
        "done about them. Not set: EVENTS_TOKEN opens it; without both there is no page. Never printed.",
        secret=True,
    )
    page_view_password: str | None = setting(
        "PAGE_VIEW_PASSWORD",
        None,
        password,
        "Opens the page to look at only: phone numbers and keys that callers press are masked, recordings are "
        "closed, and nothing can be changed. Never printed.",
        secret=True,
    )
    page_hours: float = setting(
        "PAGE_HOURS",
        "12",
        read.between(0.02, 720, float, "a number of hours"),
        "How long a login at the page lasts. A changed password ends all logins that were made with it.",
    )
    page_try_minutes: float = setting(
        "PAGE_TRY_MINUTES",
        "20",
        read.between(0, 600, float, "a number of minutes"),
        "Minutes of speech an hour that may be tried at the page, into a browser's microphone or with a file, by "
        "all who may act together: Google bills for them. `0`: none.",
    )
    google_minute_price: float | None = setting(
        "GCP_STT_PRICE",
        None,
        read.between(0, 100, float, "a price in US dollars"),
        "Google's price of a minute, in US dollars, by which the page reckons what recognition costs. Not set: "
        "0.016 for GCP_STT_API=v2, and 0.024 for v1.",
    )
