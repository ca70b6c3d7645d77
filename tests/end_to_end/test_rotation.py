"""EVENTS_FILE as logrotate turns it: renamed, then SIGHUP; beside live calls, and with every line kept."""

import os
import signal
from pathlib import Path

from tests.bench.load import json_lines
from tests.end_to_end.chatter import SAID, chatting
from tests.end_to_end.rig import google_process, running_server, until


def test_at_sighup_events_go_to_a_new_file_and_none_is_lost(tmp_path: Path) -> None:
    with google_process(tmp_path, SAID) as google, running_server(tmp_path, google.google_port) as server:
        path = server.services.events_file
        rotated = path.with_name("events.1")
        with chatting(server, range(2)):
            server.wait_for_final(count=4)
            path.rename(rotated)
            before = rotated.stat().st_size
            until(lambda: rotated.stat().st_size > before, "until the signal it is the old one's")
            os.kill(server.process.pid, signal.SIGHUP)
            until(path.exists, "the new one is there")
            size = rotated.stat().st_size
            server.wait_for_final(count=4)
            assert rotated.stat().st_size == size
            assert path.stat().st_mode & 0o777 == 0o600
        server.wait_for("Call ended", count=2)
        server.end()
        lines = [*json_lines(rotated), *json_lines(path)]
        written = [(line["call"], line["text"]) for line in lines if line["kind"] == "final"]
        assert sorted(written) == sorted(server.finals_shown)
        assert [line for line in server.saying("EVENTS_FILE") if not line.startswith("[CFG]")] == []
