"""The recognition of a server's calls, composed of its settings: Google's streams, single requests behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from voicestt.audio import mulaw
from voicestt.audio.ledger import RetainedAudioLimit
from voicestt.config.settings import Settings
from voicestt.recognisers.fallback import Fallback
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.request import request_of
from voicestt.recognisers.modes import Flag
from voicestt.recognisers.probe import Probe
from voicestt.recognisers.services import Persistent, ServicesHealth
from voicestt.recognisers.single_shot import SingleShot
from voicestt.recognisers.stream_quota import NoQuota, StreamQuota
from voicestt.recognisers.streaming import Endless, StreamLimits
from voicestt.runtime.loop_thread import SessionThread
from voicestt.runtime.reactor import FullReactor
from voicestt.server.metrics.of_recognition import RecognitionFamilies
from voicestt.server.whisper import LastResort

_REQUESTS_KEPT = 256  # a request with hints takes a while to make


@dataclass(frozen=True, slots=True)
class Recognition:
    """The recogniser of all calls, the health of its services, and their metrics."""

    recogniser: Fallback
    health: ServicesHealth
    families: RecognitionFamilies


def recognition_of(
    reactor: FullReactor,
    settings: Settings,
    flag: Flag,
    threads: Sequence[SessionThread],
    target: GoogleTarget,
    whisper: LastResort,
    quota: StreamQuota | None = None,
) -> Recognition:
    """Make the recognition that `settings` ask for, in `threads`; `flag` says whether calls are streamed, `quota`
    how many of them may be."""
    request_for = lru_cache(maxsize=_REQUESTS_KEPT)(partial(request_of, settings))
    throttle = settings.partial_debounce_ms / 1000
    google = GoogleRecogniser(threads, target, request_of(settings), request_for, throttle)
    health = ServicesHealth(reactor, google, whisper, google.recognise, whisper)
    persistent = Persistent(reactor, health.services)
    single_shot = SingleShot(persistent, lambda action: reactor.callLater(0, action), persistent)
    streaming = Endless(reactor, google, _limits(settings), health=health.streaming)
    recogniser = Fallback(
        reactor,
        flag,
        streaming,
        single_shot,
        Probe(reactor, google),
        health.streaming,
        retain_bytes=int(settings.retain_seconds * mulaw.BYTES_PER_SECOND),
        retention=RetainedAudioLimit(settings.retain_total_mb * 1_000_000),
        recover_seconds=settings.recover_seconds,
        quota=quota or NoQuota(),
    )
    return Recognition(recogniser, health, RecognitionFamilies(health, google, streaming, single_shot))


def _limits(settings: Settings) -> StreamLimits:
    return StreamLimits(
        soft=settings.soft_limit_seconds,
        hard=settings.hard_limit_seconds,
        hold=settings.hold_seconds,
        silent=settings.silent_seconds,
        queue=settings.queue_seconds,
        restarts=settings.restarts,
    )
