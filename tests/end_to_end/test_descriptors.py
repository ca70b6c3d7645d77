"""No descriptor is left: who is in a call notices nothing, and afterwards callers are taken as before."""

import os
import resource
import socket
from pathlib import Path

from tests.bench.load import Usage
from tests.end_to_end.chatter import SAID, chatting
from tests.end_to_end.rig import google_process, running_server, until

SPARE = 6


def test_live_calls_and_the_journal_go_on_without_descriptors(tmp_path: Path) -> None:
    with google_process(tmp_path, SAID) as google, running_server(tmp_path, google.google_port) as server:
        assert server.saying("[CFG] ")
        assert server.saying(" descriptors (calls, connections, files)")
        pid = server.process.pid
        with chatting(server, range(3)) as calls:
            until(lambda: len(server.finals_shown) >= 6, "everybody is heard")
            most = len(os.listdir(f"/proc/{pid}/fd")) + SPARE
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            strangers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
            before, shown, kept = Usage.of(pid), len(server.finals_shown), len(server.journal())
            until(lambda: len(server.finals_shown) >= shown + 9, "words go on")
            after = Usage.of(pid)
            assert (after.cpu - before.cpu) / (after.at - before.at) < 0.7  # it does not spin
            assert len(server.journal()) > kept
            until(lambda: len(server.texts("final")) >= shown + 9, "EVENTS_FILE goes on")
            assert {sid for sid, _ in server.finals_shown[shown:]} == {call.sids.call for call in calls}
            for stranger in strangers:
                stranger.close()
            until(lambda: server.health().get("status") == "ok", "others are answered again")
        assert "Traceback" not in server.output
        assert len(server.output) < 200_000
