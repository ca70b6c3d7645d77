"""A recorded voice through others' clients, as one begins with each, to Whisper: no script says what is heard."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.emulators.google.peers.rig import LIVEKIT, NODE, PIPECAT, PYTHON, WIDEBAND, Client, Job
from voicestt.emulators.google.service import LocalGoogle
from voicestt.ops.demo.voices import POCKETSPHINX
from voicestt.recognisers.whisper import engine as whisper

RECORDING = POCKETSPHINX / "goforward.raw"
A_SECOND_OR_TWO = bytes(3 * WIDEBAND)
FIRST_TRIES = {
    PYTHON: Job("go", WIDEBAND, options={"language_code": "en-US"}),
    NODE: Job("go", WIDEBAND, options={"languageCode": "en-US"}),
    PIPECAT: Job("go", WIDEBAND, rounds=(1,)),
    LIVEKIT: Job("go", WIDEBAND, rounds=(1,)),
}


@pytest.fixture(scope="module")
def google(folder: Path) -> Iterator[LocalGoogle]:
    pytest.importorskip("ctranslate2", reason="the extra `embedded` is not installed")
    if not RECORDING.exists():
        pytest.skip("pocketsphinx-testdata is not installed")
    (folder / f"{WIDEBAND}.raw").write_bytes(RECORDING.read_bytes() + A_SECOND_OR_TWO)
    engine = whisper.load()
    engine.preload(["en-US"])
    with LocalGoogle(engine, tls=folder) as running:
        yield running
    engine.close()


@pytest.mark.parametrize("client", FIRST_TRIES, ids=lambda client: client.name)
def test_a_recorded_voice_is_understood(google: LocalGoogle, folder: Path, client: Client) -> None:
    heard = client.do(google, folder, [FIRST_TRIES[client]])
    (text,) = heard.texts("go")
    assert text.lower().strip(".") in {"go forward 10 meters", "go forward ten meters"}
