"""The page `/metrics`: who may read it, and in which format."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.web.http import NOT_FOUND, UNAUTHORIZED, Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from voicestt.delivery.live.access import presented
from voicestt.delivery.live.hub import is_same
from voicestt.server.http_answers import answer, headers_of

Refuse = Callable[[Request, str, str], object]
_CHALLENGE: Final = b'Bearer realm="voicestt metrics"'
_NOTHING: Final = b"There is nothing here.\n"
_NO_TOKEN: Final = b"The token is missing or wrong.\n"
_PLAIN: Final = "text/plain; charset=utf-8"


class Together(Protocol):
    """The metrics of several workers."""

    def metrics(self, own: Callable[[], object]) -> "Deferred[Any]":
        """Return what collects the metrics of all; `own` collects those of this process."""
        ...


class MetricsPage:
    """Shows what `collectors` collect, and the process's CPU and memory, to whoever has the `token`.

    `together` has the metrics of all workers, where this is one of several.
    """

    _log = Logger()

    def __init__(
        self, collectors: Iterable[Collector], token: str | None, together: Together | None = None
    ) -> None:
        # Without describing: a family is made of what is counted, which is nothing before the start.
        self._registry = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector(registry=None), *collectors):
            self._registry.register(collector)
        self._token = token
        self._together = together
        self._has_complained = False

    def add(self, collector: Collector) -> None:
        """Show what another collector collects, too."""
        self._registry.register(collector)

    def collected(self) -> Sequence[tuple[object, ...]]:
        """Return this process's metrics, for another worker to show: JSON can hold them."""
        return [
            (each.name, each.documentation, each.type, [(one.name, one.labels, one.value) for one in each.samples])
            for each in self._registry.collect()
        ]

    def answer(self, request: Request, refuse: Refuse) -> "bytes | Deferred[bytes]":
        """Answer on the server's public address: 404 as long as there is no token, 401 without it."""
        if self._token is None:
            self._complain()
            return _answer(request, NOT_FOUND, _PLAIN, _NOTHING)
        return self.answer_inside(request, refuse)

    def answer_inside(self, request: Request, refuse: Refuse) -> "bytes | Deferred[bytes]":
        """Answer on an address of its own, where a token is asked for only if there is one."""
        brought = presented(headers_of(request)("authorization"), "")
        if self._token is not None and not is_same(self._token, brought):
            what = "missing" if brought is None else "wrong"
            hint = "Either it is a stranger, or your Prometheus does not have this server's METRICS_TOKEN."
            refuse(request, f"A reader of /metrics was refused with 401: its token is {what}.", hint)
            request.setHeader(b"www-authenticate", _CHALLENGE)
            return _answer(request, UNAUTHORIZED, _PLAIN, _NO_TOKEN)
        encode, content_type = choose_encoder(headers_of(request)("accept") or "")
        if self._together is None:
            return _answer(request, 200, content_type, encode(self._registry))
        gathered = self._together.metrics(self.collected)
        return gathered.addCallback(lambda all_: _answer(request, 200, content_type, encode(all_)))

    def _complain(self) -> None:
        if not self._has_complained:
            self._has_complained = True
            self._log.warn(
                "Somebody asked for /metrics and was answered 404, as everybody is: METRICS_TOKEN is not set. "
                "What to do: set it to a secret and start again, or give the metrics an address of their own "
                "(twistd voicestt --metrics tcp:9464:interface=127.0.0.1), if they should be read."
            )


class MetricsResource(Resource):
    """The root of the metrics' own address: /metrics and nothing else."""

    isLeaf = True  # noqa: N815 - Twisted's

    def __init__(self, page: MetricsPage, refuse: Refuse) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._page = page
        self._refuse = refuse

    def render_GET(self, request: Request) -> bytes | int:  # noqa: N802
        """Answer with the metrics."""
        if request.path.rstrip(b"/") != b"/metrics":
            return _answer(request, NOT_FOUND, _PLAIN, _NOTHING)
        answer = self._page.answer_inside(request, self._refuse)
        return answer if isinstance(answer, bytes) else _later(request, answer)


def _later(request: Request, answer: "Deferred[bytes]") -> int:
    # A reader that has gone must not be written to.
    request.notifyFinish().addErrback(lambda _gone: answer.cancel())

    def written(body: bytes) -> None:
        request.write(body)
        request.finish()

    answer.addCallbacks(written, lambda _cancelled: None)
    return NOT_DONE_YET


def _answer(request: Request, code: int, content_type: str, body: bytes) -> bytes:
    request.setHeader(b"cache-control", b"no-store")
    return answer(request, code, content_type, body)
