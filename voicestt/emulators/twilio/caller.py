"""Places one telephone call as Twilio does, from the first webhook to the last status callback.

webhook POST -> TwiML -> its verbs in order, <Connect><Stream> among them:
                         WebSocket -> connected, start, media ... media, stop -> close
                         stream-started                                          stream-stopped
"""

from collections.abc import Callable
from dataclasses import replace

from voicestt.emulators.twilio.call_values import CallOptions, CallReport, CallUpdate, ServerTarget, Speech
from voicestt.emulators.twilio.placed import PlacedCall
from voicestt.emulators.twilio.simulated_caller import SimulatedCaller
from voicestt.emulators.twilio.stream import CallSetting, Clocks
from voicestt.emulators.twilio.twilio_messages import Sids
from voicestt.emulators.twilio.webhook_forms import INBOUND, Parties
from voicestt.emulators.twilio.webhooks import WebhookClient
from voicestt.runtime.reactor import FullReactor


class CallControl:
    """Twilio's hold on one call: the REST API updates or ends it while the caller still speaks.

    To be used in the reactor's thread. `placed` is the order of a call that the server placed. `status` is that of
    the call resource: queued, in-progress, completed.
    """

    def __init__(self, sids: Sids | None = None, placed: PlacedCall | None = None) -> None:
        self.sids = sids or Sids()
        self._placed = placed
        self.status = "queued"
        self._update: CallUpdate | None = None
        self._call: SimulatedCaller | None = None

    @property
    def call_sid(self) -> str:
        """The CallSid, known before the call is placed."""
        return self.sids.call

    @property
    def parties(self) -> Parties:
        """The two ends of the call."""
        return INBOUND if self._placed is None else self._placed.parties

    def webhooks(self, reactor: FullReactor, target: ServerTarget, answered_by: str) -> WebhookClient:
        """Make what sends the call's forms; `answered_by` is who picks up a call that was placed."""
        placed = self._placed
        if placed is None:
            return WebhookClient(reactor, target, self.sids)
        says = answered_by if placed.detects_machines else None
        return WebhookClient(reactor, target, self.sids, replace(placed.parties, answered_by=says), placed.course)

    def hang_up(self) -> None:
        """Send `stop` and close; a call not yet placed then sends no audio between `start` and `stop`."""
        self.update(CallUpdate())

    def update(self, update: CallUpdate) -> None:
        """Make the call leave what it does and follow the update; do nothing when it is over."""
        self._update = update
        if self._call is not None:
            self._call.obey(update)

    async def run(self, call: SimulatedCaller) -> CallReport:
        """Run the call, which `update` then reaches."""
        self._call, self.status = call, "in-progress"
        if self._update is not None:
            call.obey(self._update)
        try:
            return await call.run()
        finally:
            self._call, self.status = None, "completed"


def _in_silence(_words: str) -> None:
    pass


async def place_call(
    reactor: FullReactor,
    target: ServerTarget,
    clip: bytes,
    options: CallOptions | None = None,
    progress: Callable[[str], None] = _in_silence,
    clocks: Clocks | None = None,
    control: CallControl | None = None,
) -> CallReport:
    """Call `target` and plays `clip` (mu-law, 8 kHz); never raise for what the server does.

    `reactor` provides IReactorTime, IReactorTCP and name resolution. `progress` takes a line of text at each
    step. `control`, one for each call, can update and end it. What went wrong is in the report's `problems`.
    """
    chosen, governed = options or CallOptions(), control or CallControl()
    webhooks = governed.webhooks(reactor, target, chosen.answered_by)
    setting = CallSetting(reactor, target, chosen, clocks or Clocks(), webhooks)
    return await governed.run(SimulatedCaller(setting, governed.sids, Speech.of(clip, chosen), progress))
