"""A recorded call whose server is killed with -9, and which comes back to the next one."""

from pathlib import Path

import numpy as np
import pytest

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import running_again, running_server, scripted_google, until
from tests.end_to_end.twilio_line import TwilioLine
from tests.recording.made import played, sound
from voicestt.recording.folder import RecordingFolder
from voicestt.recording.wav import HEADER_BYTES

SAID = {"utterances": [{"text": "one {key} three", "start": 0.3, "end": 1.2}]}


def test_what_was_recorded_before_a_kill_is_kept_and_joined_with_what_came_after(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path / "recordings")
    settings = {"RECORD": "both", "RECORD_DIR": str(folder.path), "GREETING": "default"}
    before, after = as_mulaw(speech(41, 2.0, (0.3, 1.2))), as_mulaw(speech(42, 1.0, (0.3, 0.8)))
    with scripted_google(SAID) as google:
        with running_server(tmp_path, google.port, **settings) as server:
            line = TwilioLine(server.target)
            line.begin()
            line.speak(before)
            (partial,) = until(lambda: list(folder.partial()), "a file that is written")
            whole = HEADER_BYTES + 2 * len(before)
            until(lambda: partial.stat().st_size >= whole, "all of it in the file")
            assert len(played(partial)) >= len(before), "it plays while it is written"
            server.kill()
        line.socket.close()
        assert server.saying("Calls are recorded: both, in ")
        with running_again(server) as again:
            again.wait_for("A server was killed while it recorded")
            with TwilioLine(again.target, line.sids.next_stream()) as back:
                back.begin()
                back.speak(after)
                again.wait_for_final(line.sids.call)
                back.hang_up()
                again.wait_for("Call ended")
                until(lambda: len(list(folder.whole())) == 2, "both are whole")
            again.asked("recording", line.sids.call, "--save", str(tmp_path / "call.wav"))
            assert {event["recorded"] for event in again.journal() if event["type"] == "call_started"} == {"both"}
            assert again.health()["status"] == "ok"
    first, second = (played(path) for path in folder.whole())
    assert (first[: len(before), 0] == sound(before)[:, 0]).all()
    assert (second[: len(after), 0] == sound(after)[:, 0]).all()
    assert np.abs(first[:, 1].astype(int)).max() > 1_000, "the chime is on the right"
    assert np.abs(second[:, 1].astype(int)).max() < 100, "and is not heard again"
    joined = played(tmp_path / "call.wav")
    assert len(joined) > len(first) + len(second), "with the time between"
    assert (joined[: len(first)] == first).all()
    assert (joined[-len(second) :] == second).all()
    assert "Traceback" not in server.output + again.output


@pytest.mark.parametrize("recognised", ["both", "caller"])
def test_of_a_stream_of_both_tracks_the_callee_is_on_the_right_recognised_or_not(
    tmp_path: Path, recognised: str
) -> None:
    folder = RecordingFolder(tmp_path / "recordings")
    settings = {"RECORD": "both", "RECORD_DIR": str(folder.path), "GREETING": "default", "BOTH_TRACKS": recognised}
    sides = [as_mulaw(speech(number, 1.6, (0.3, 1.2))) for number in (43, 44)]
    with scripted_google(SAID) as google, running_server(tmp_path, google.port, **settings) as server:
        with TwilioLine(server.target) as line:
            line.begin("inbound", "outbound")
            line.speak_both(*sides)
            server.wait_for_final(line.sids.call)
            line.hang_up()
        server.wait_for("Call ended")
        (path,) = until(lambda: list(folder.whole()), "its recording")
        server.asked("recording", line.sids.call, "--save", str(tmp_path / "call.wav"))
        tracks = {event["track"] for event in server.journal() if event["type"] == "final"}
    assert (played(path) == sound(*sides)).all()
    assert (played(tmp_path / "call.wav") == sound(*sides)).all()
    assert tracks == ({"caller", "callee"} if recognised == "both" else {"caller"})
    assert "Traceback" not in server.output
