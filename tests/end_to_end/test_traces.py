import os
from pathlib import Path

from tests.end_to_end.clips import as_mulaw, speech
from tests.end_to_end.receivers import WebhookReceiver
from tests.end_to_end.rig import running_server, scripted_google, until
from tests.end_to_end.twilio_line import TwilioLine
from tests.tracing.collector import attributes, by_http
from voicestt.tracing.spans import ids_of

SCRIPT = {"utterances": [{"text": "one {key} three four", "start": 0.2, "end": 1.2}], "final_delay": 0.1}
HANDLER = """
class Quiet:
    def on_final(self, call, event):
        pass
"""


def test_a_call_is_one_trace_from_its_socket_to_its_deliveries(tmp_path: Path) -> None:
    (tmp_path / "quiet_handler.py").write_text(HANDLER)
    with scripted_google(SCRIPT) as google, by_http() as collector, WebhookReceiver() as receiver:
        settings = {
            **receiver.settings,
            "HANDLER": "quiet_handler:Quiet",
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        }
        with running_server(tmp_path, google.port, **settings) as server:
            with TwilioLine(server.target) as line:
                line.begin()
                line.speak(as_mulaw(speech(62, 1.5, (0.2, 1.2))))
                assert line.hang_up() == 1000
            until(lambda: receiver.accepted and receiver.accepted[-1]["type"] == "call_ended", "the events arrive")
            server.end()
    trace_id = ids_of(line.sids.call)[0].to_bytes(16)
    assert {span.trace_id for span in collector.spans} == {trace_id}
    assert {span.name for span in collector.spans} >= {
        "media stream",
        "recognition stream",
        "utterance",
        "handler on_final",
        "delivery webhook",
    }
    (media,) = collector.named("media stream")
    assert attributes(media)["voicestt.reason"] == "stop"
    deliveries = {f"00-{trace_id.hex()}-{span.span_id.hex()}-01" for span in collector.named("delivery webhook")}
    assert {post.traceparent for post in receiver.posts} <= deliveries
    assert "Traces cannot be sent" not in server.output
