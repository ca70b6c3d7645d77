"""Events to a receiver by HTTP: a signed POST for each, whose body is the event as the journal has it.

Where several may go in one, the body is a JSON array of events of one session, in order, also of a single one, and
`webhook-id` is that of the event, or SESSION-FIRST-LAST. A batch that is refused goes once more as single events:
one that the receiver does not want harms no other.
"""

import hmac
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from OpenSSL.SSL import Error as TlsError
from service_identity import VerificationError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, DNSLookupError, SSLError, UserError
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IResponse

from voicestt import __version__
from voicestt.config.receivers import WEBHOOK
from voicestt.delivery.http_client import Answers, quiet_agent, without_host
from voicestt.delivery.sender import Arrived, DeliveryFailed, Outcome
from voicestt.events import event_id
from voicestt.journal.port import Record
from voicestt.runtime.http import Beginning, WholeBody
from voicestt.runtime.reactor import FullReactor

AT_ONCE: Final = 32
CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 15.0
# Less than the five seconds after which uvicorn, behind many receivers, closes an idle connection.
_IDLE_SECONDS: Final = 4
# The answer's body means nothing but to people; it is read so that its connection can serve again, if done soon.
_KEPT_OF_BODY: Final = 1_000
_LONGEST_BODY: Final = 65_536
_BODY_SECONDS: Final = 1.0
_LONGEST_PROBLEM: Final = 200
_LONGEST_BATCH: Final = 256 * 1024
_NO_REFUSALS: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS)
# Twisted's own time-out is a UserError.
_NO_CONNECTION: Final = (ConnectError, DNSLookupError, UserError, SSLError, TlsError, VerificationError)


class Webhook:
    """An EventSender to the receiver at `url`, an address of http or https.

    Each of the `keys` signs. `name` is shown. 2xx is an arrival, whatever the answer's body; anything else is
    none. Redirects are not followed.
    """

    advice: Final = (
        "look at the receiver's own log, and whether EVENTS_WEBHOOK_URL and EVENTS_WEBHOOK_SECRET are still "
        "right; delivery goes on by itself."
    )
    of_one: Final = True

    def __init__(
        self,
        reactor: FullReactor,
        url: str,
        keys: Sequence[bytes],
        *,
        name: str = WEBHOOK,
        at_once: int = AT_ONCE,
        batch: int = 1,
        answer_seconds: float = ANSWER_SECONDS,
        trace_headers: Callable[[], Mapping[str, str]] = dict,
        now: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(url)
        self.place = f"The webhook at {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        if name != WEBHOOK:
            # There may be others at that host.
            self.place += f" ({name})"
        self._host = parts.hostname
        # Without a path Twisted would ask for "?query".
        self._url = urlunsplit(parts._replace(path=parts.path or "/", fragment="")).encode("ascii")
        self._reactor = reactor
        self._keys = keys
        self.at_once = at_once
        self.most = batch
        self._answer_seconds = answer_seconds
        self._trace_headers = trace_headers
        self._now = now
        self._shown = Answers(url).shown
        self._connections = HTTPConnectionPool(reactor)
        self._connections.maxPersistentPerHost = at_once
        self._connections.cachedConnectionTimeout = _IDLE_SECONDS
        self._agent = quiet_agent(reactor, self._connections, CONNECT_SECONDS)

    def start(self) -> None:
        """Do nothing: connections are made when there are events."""

    async def stop(self) -> None:
        """Close idle connections."""
        await self._connections.closeCachedConnections()

    async def carry(self, records: Sequence[Record]) -> list[Outcome]:
        """Post events of one session, see `voicestt.delivery.sender.EventSender`."""
        return await self._carry_batches(_batches(records, self.most))

    async def _carry_batches(self, batches: Iterable[Sequence[Record]]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for batch in batches:
            if outcomes and isinstance(outcomes[-1], DeliveryFailed):
                # Later events would overtake the failed one.
                outcomes += [outcomes[-1]] * len(batch)
            else:
                outcomes += await self._carry_batch(batch)
        return outcomes

    async def _carry_batch(self, batch: Sequence[Record]) -> list[Outcome]:
        outcome = await self._post_in_time(batch)
        if len(batch) > 1 and isinstance(outcome, DeliveryFailed) and outcome.is_refusal:
            return await self._carry_batches(_batches(batch, 1))
        return [outcome] * len(batch)

    async def _post_in_time(self, batch: Sequence[Record]) -> Outcome:
        posting = Deferred.fromCoroutine(self._post(batch))
        try:
            return await posting.addTimeout(self._answer_seconds, self._reactor, _in_time)
        except Exception as problem:  # noqa: BLE001 - Twisted's client has a dozen kinds, and no kind of them all
            return self._failed(problem)

    def _failed(self, problem: Exception) -> DeliveryFailed:
        """Return the outcome of an exception that Twisted's client raised; some of its kinds wrap others."""
        reasons = getattr(problem, "reasons", None)
        cause = reasons[0].value if reasons else problem
        said = without_host(str(cause), self._host)
        words = f"{type(cause).__name__}: {said}"[:_LONGEST_PROBLEM].rstrip(". ")
        if isinstance(cause, _NO_CONNECTION):
            return DeliveryFailed(f"no connection: {words}", is_whole=True)
        return DeliveryFailed(f"it broke off: {words}")

    async def _post(self, batch: Sequence[Record]) -> Outcome:
        now = self._now()
        body = _array_of(batch) if self.most > 1 else batch[0].payload
        proof = signed(self._keys, _id_of(batch), int(now), body)
        headers = Headers({name: [value] for name, value in (*self._trace_headers().items(), *proof.items())})
        headers.setRawHeaders("Content-Type", ["application/json"])
        headers.setRawHeaders("User-Agent", [f"voicestt/{__version__}"])
        response = await self._agent.request(b"POST", self._url, headers, WholeBody(body))
        answer = self._shown(await self._beginning_of(response))
        return _outcome(response, now, answer)

    async def _beginning_of(self, response: IResponse) -> bytes:
        body = Beginning(response, _KEPT_OF_BODY, _LONGEST_BODY)
        with suppress(CancelledError):  # what matters was in the first line of the answer
            await body.over.addTimeout(_BODY_SECONDS, self._reactor, lambda _result, _seconds: None)
        return body.kept


def _in_time(result: Outcome | Failure, seconds: float) -> Outcome:
    return DeliveryFailed(f"it did not answer within {seconds:g} s") if isinstance(result, Failure) else result


def _batches(records: Sequence[Record], most: int) -> Iterator[Sequence[Record]]:
    """Split records into batches of at most `most`, in their order, whose bodies are of limited length."""
    start = size = 0
    for place, record in enumerate(records):
        if place - start == most or (place > start and size + len(record.payload) > _LONGEST_BATCH):
            yield records[start:place]
            start, size = place, 0
        size += len(record.payload)
    yield records[start:]


def _array_of(batch: Sequence[Record]) -> bytes:
    return b"[" + b",".join(record.payload for record in batch) + b"]"


def _id_of(batch: Sequence[Record]) -> str:
    first, last = batch[0], batch[-1]
    name = event_id(first.session, first.sequence)
    return name if first is last else f"{name}-{last.sequence:06d}"


def _outcome(response: IResponse, now: float, answer: str) -> Outcome:
    code = response.code
    if 200 <= code < 300:
        return Arrived(code, answer)
    return replace(_failure(response, now), status=code, answer=answer)


def _failure(response: IResponse, now: float) -> DeliveryFailed:
    code = response.code
    if 300 <= code < 400:
        words = "which is a redirect, and none is followed: EVENTS_WEBHOOK_URL must be the address where it ends"
        return DeliveryFailed(f"it answered {code}, {words}")
    if code == HTTPStatus.GONE:
        return DeliveryFailed(f"it answered {_with_phrase(code)}", is_gone=True)
    after = response.headers.getRawHeaders("retry-after", [None])[0]
    # Too many requests is about all of them; any other answer may be about this one.
    is_whole = code == HTTPStatus.TOO_MANY_REQUESTS
    is_refusal = 400 <= code < 500 and code not in _NO_REFUSALS
    words = f"it answered {_with_phrase(code)}"
    return DeliveryFailed(words, is_whole, seconds_after(after, now), is_refusal=is_refusal)


def _with_phrase(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def signed(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """Return the headers of an event sent at `timestamp`, seconds since 1970, with a signature by each key.

    Source: Standard Webhooks, specification 1.0.0, "Webhook headers" and "Signature scheme": the key signs the id,
    the time in seconds and the body, with full stops between them, by HMAC-SHA256. Any of its
    libraries can check it.
    """
    content = b"%s.%d.%s" % (event_id.encode(), timestamp, body)
    signatures = (b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


LONGEST_SECONDS: Final = 300.0
"""Longest pause, whatever a receiver asks for: it may be mistaken, and events wait."""

_LONGEST_TEXT: Final = 100


def seconds_after(header: str | None, now: float) -> float:
    """Return the seconds that a Retry-After asks for, five minutes at most; 0 if it cannot be understood.

    `now` is in seconds since 1970. Source: RFC 9110, section 10.2.3: a number of seconds, or a date of HTTP.
    """
    text = (header or "").strip()[:_LONGEST_TEXT]
    seconds = float(text) if text.isascii() and text.isdecimal() else _until(text, now)
    return min(max(seconds, 0.0), LONGEST_SECONDS)


def _until(date: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.fromtimestamp(now, UTC)).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
