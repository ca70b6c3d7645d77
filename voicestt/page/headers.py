"""Headers of the page's answers, and what a browser says of where a request comes from."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from twisted.web.http import Request

from voicestt.server.http_answers import headers_of

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "worker-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)

SAFETY: Final[Mapping[str, str]] = {
    "content-security-policy": _POLICY,
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "cache-control": "no-store",
}
"""Headers of every answer of the page: no script but ours, no foreign host, no frame, and no cache."""


def set_headers(request: Request, headers: Mapping[str, str]) -> None:
    """Set headers of the answer."""
    for name, value in headers.items():
        request.setHeader(name.encode(), value.encode())


def is_https(request: Request, public_host: str) -> bool:
    """Return True if the browser speaks https, to us or to a proxy before us.

    PUBLIC_HOST is always asked by https: Twilio speaks nothing else. A header that lies only makes the cookie
    stricter, so a proxy need not be a trusted one here.
    """
    header = headers_of(request)
    forwarded = (header("x-forwarded-proto") or "").partition(",")[0].strip().lower()
    host = (header("host") or "").lower()
    return request.isSecure() or forwarded == "https" or host == public_host.lower()


def is_from_elsewhere(request: Request) -> bool:
    """Return True if the browser says that another site's page made this request (Fetch Metadata, W3C)."""
    return (headers_of(request)("sec-fetch-site") or "same-origin") not in {"same-origin", "none"}


def is_own_origin(request: Request, public_host: str) -> bool:
    """Return True if a WebSocket is opened by a page of this host: its Origin is the host that was asked."""
    header = headers_of(request)
    origin = urlsplit(header("origin") or "").netloc.lower()
    return bool(origin) and origin in {(header("host") or "").lower(), public_host.lower()}
