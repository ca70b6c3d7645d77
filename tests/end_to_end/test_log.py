import json
from pathlib import Path

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.rig import running_server, scripted_google
from tests.end_to_end.twilio_line import TwilioLine

SCRIPT = {"utterances": [{"text": "one {key} three four", "start": 0.2, "end": 1.2}], "final_delay": 0.1}


def test_a_call_in_json_without_partials_and_without_its_words(tmp_path: Path) -> None:
    settings = {"LOG_FORMAT": "json", "LOG_PARTIALS": "false", "LOG_TEXTS": "false"}
    with scripted_google(SCRIPT) as google, running_server(tmp_path, google.port, **settings) as server:
        with TwilioLine(server.target) as line:
            line.begin()
            line.speak(as_mulaw(speech(61, 1.5, (0.2, 1.2))))
            assert line.hang_up() == 1000
        (text,) = server.wait_for_final(line.sids.call)
        server.wait_for("Call ended")
        server.end()
    lines = [json.loads(each) for each in server.output.splitlines()]
    of_call = [each for each in lines if each["call"] == line.sids.call and each["event"] is not None]
    assert [each["event"] for each in of_call] == ["call_started", "final", "call_ended"]
    assert {each["level"] for each in of_call} == {"info"}
    assert of_call[0]["session"]
    assert len({each["session"] for each in of_call}) == 1
    assert text not in server.output
    assert of_call[1]["text"] == f"🟢 Final: ({len(text)} characters)"
