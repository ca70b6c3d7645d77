"""The whole server in a time that runs faster, for `twistd --python`: nothing of it is changed but its reactor.

What is not scaled: gRPC's and google-cloud-speech's own limits, Autobahn's and Twisted's own timers.
"""

import os
from typing import Any

from twisted.application.service import Application
from twisted.internet import reactor

from tests.end_to_end.fast_reactor import FastReactor
from voicestt.config.settings import Settings
from voicestt.server.service import VoiceService

application = Application("voicestt")
_fast: Any = FastReactor(reactor, float(os.environ["FAST_SCALE"]))
_service = VoiceService(_fast, Settings.from_environment(os.environ), [os.environ["FAST_LISTEN"]])
_service.setServiceParent(application)  # type: ignore[no-untyped-call]
