from pathlib import Path

from tests.end_to_end.rig import call_process, running_server
from voicestt.ops.demo.voices import packaged_voices
from voicestt.ops.demo.word_errors import WordErrors


def test_a_recorded_voice_is_understood_by_the_embedded_recogniser(tmp_path: Path) -> None:
    voice = min((voice for voice in packaged_voices() if voice.text), key=lambda voice: voice.path.stat().st_size)
    assert voice.text is not None
    with running_server(tmp_path, STT_ENGINE="embedded", GCP_STT_ENDPOINT="", GCP_STT_INSECURE="") as server:
        assert server.saying("The embedded recogniser is ready")
        caller = call_process(server, voice.path)
        assert caller.returncode == 0, caller.stdout
        server.wait_for("Call ended:")
        heard = " ".join(server.wait_for_final())
        assert server.texts("partial")
        assert WordErrors.between(voice.text, heard).rate <= 0.5, heard
        assert "Traceback" not in server.output
