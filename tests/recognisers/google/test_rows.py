"""Each row of docs/speech.md's table, from the settings to the service: what is sent, what if it is refused."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Logged
from tests.recognisers.google.rows import BASE, HINTS, ROWS, SAID, V1, V2, Row
from tests.recognisers.on_reactor import Sessions, WaitingEar, on_reactor, soon
from voicestt.audio import mulaw
from voicestt.config.recognition_options import RecognitionOptions
from voicestt.config.settings import Settings
from voicestt.emulators.google import script
from voicestt.emulators.google.recording import StreamRecord
from voicestt.emulators.google.scripted import ScriptEngine
from voicestt.emulators.google.service import LocalGoogle
from voicestt.emulators.google.timeline import clip_of
from voicestt.recognisers.google.channels import GoogleTarget
from voicestt.recognisers.google.client import GoogleRecogniser
from voicestt.recognisers.google.features import FEATURES, Extras
from voicestt.recognisers.google.request import RecognitionRequest, not_asked, request_of
from voicestt.recognisers.port import RecogniserError

DOCS = Path(__file__).parents[3] / "docs" / "speech.md"
SCRIPT = script.parse(json.dumps(SAID))
AUDIO = mulaw.encode(np.frombuffer(clip_of(SCRIPT, 7, 2.2), "<i2"))
BY_API = [(V1, row) for row in ROWS] + [(V2, row) for row in ROWS]
NAMES = [f"{api['GCP_STT_API']}-{row.setting}" for api, row in BY_API]
Ask = Callable[[RecognitionRequest], GoogleRecogniser]


@pytest.fixture(scope="module")
def service() -> Iterator[LocalGoogle]:
    with LocalGoogle(ScriptEngine(SCRIPT), faults="") as local:
        yield local


@pytest.fixture
def ask(service: LocalGoogle, sessions: Sessions) -> Iterator[Ask]:
    yield lambda request: GoogleRecogniser(sessions.threads, GoogleTarget(service.target, insecure=True), request)
    service.set_faults("")


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[..., Settings]:
    (tmp_path / "hints.txt").write_text(HINTS)

    def read(*given: Mapping[str, str]) -> Settings:
        environ = {name: value for some in (BASE, *given) for name, value in some.items()}
        if "STT_HINTS_FILE" in environ:
            environ["STT_HINTS_FILE"] = str(tmp_path / environ["STT_HINTS_FILE"])
        return Settings.from_environment(environ | {"GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_STT_INSECURE": "true"})

    return read


async def a_call(google: GoogleRecogniser) -> WaitingEar:
    ear = WaitingEar()
    session = google.open(ear)
    session.write(AUDIO)
    session.finish()
    await ear.end()
    return ear


def newest(service: LocalGoogle, count: int) -> StreamRecord:
    return service.wait_for_streams(count)[-1]


def test_the_docs_have_these_rows_and_no_others() -> None:
    lines = DOCS.read_text("utf-8").splitlines()
    cells = [line.split("|")[1].strip() for line in lines if re.match(r"\| (`[A-Z_]+`|always)[ ,]", line)]
    assert [re.sub(r"^`|`.*", "", cell) for cell in cells] == [row.setting for row in ROWS]
    named = {field for feature in FEATURES for field in feature.fields}
    assert named <= set(re.findall(r"`([a-z_]+)`", "\n".join(lines)))


@pytest.mark.parametrize(("api", "row"), BY_API, ids=NAMES)
@on_reactor
async def test_what_is_set_is_what_google_is_sent(
    api: Mapping[str, str], row: Row, service: LocalGoogle, ask: Ask, settings_of: Callable[..., Settings]
) -> None:
    sent = row.v1 if api is V1 else row.v2
    is_v1 = api is V1
    settings = settings_of(
        api, {name: value for name, value in row.given.items() if value != "chirp_3" or not is_v1}
    )
    count = len(service.streams)
    google = ask(request_of(settings))
    assert [result for result in (await a_call(google)).results if result.is_final]
    config = newest(service, count + 1).config
    if sent is None:
        assert not_asked(settings)
        assert not re.search(str(row.v1 or row.v2), config)
    else:
        assert re.search(sent, config), config


@pytest.mark.parametrize(
    ("api", "row"),
    [each for each in BY_API if each[1].refusal and (each[1].v1 if each[0] is V1 else each[1].v2) is not None],
    ids=[
        name for name, each in zip(NAMES, BY_API, strict=True)
        if each[1].refusal and (each[1].v1 if each[0] is V1 else each[1].v2) is not None
    ],
)  # fmt: skip
@on_reactor
async def test_what_google_refuses_is_not_asked_for_again_and_said_once(
    api: Mapping[str, str],
    row: Row,
    service: LocalGoogle,
    ask: Ask,
    settings_of: Callable[..., Settings],
    logged: Logged,
) -> None:
    sent = str(row.v1 if api is V1 else row.v2)
    request = request_of(settings_of(api, row.given))
    google = ask(request)
    service.set_faults(f'next: error INVALID_ARGUMENT "{row.refusal}"')
    count = len(service.streams)
    (error,) = (await a_call(google)).ends
    assert error is not None
    assert error.status == "ABORTED", "the stream is replaced"
    assert (await a_call(google)).finals, "and the next one gives words"
    assert not re.search(sent, newest(service, count + 2).config)
    (line,) = (line for line in logged.lines if line.startswith("⚠️ Google "))
    assert row.refusal in line


@on_reactor
async def test_v2_names_what_it_does_not_have_and_only_that_is_given_up(
    service: LocalGoogle, ask: Ask, settings_of: Callable[..., Settings], logged: Logged
) -> None:
    settings = settings_of(V2, {"GCP_STT_PROFANITY_FILTER": "true"})
    extras = Extras(word_confidence=True, speakers=(2, 2), profanity_filter=True)
    google = ask(RecognitionRequest("en-US", "long", api=request_of(settings).api, extras=extras))
    (error,) = (await a_call(google)).ends
    assert isinstance(error, RecogniserError)
    assert error.status == "ABORTED"
    ear = await a_call(google)
    assert ear.finals, ear.ends
    assert google.features.request.extras == Extras(word_confidence=True, profanity_filter=True)
    assert google.features.request.word_times
    assert "features.diarization_config: Recognizer does not support feature" in "".join(logged.lines)


@on_reactor
async def test_a_name_is_heard_only_with_its_hint_and_in_the_language_asked_for(
    ask: Ask, settings_of: Callable[..., Settings]
) -> None:
    settings = settings_of(V1)
    for options, text in (
        (RecognitionOptions(), "I am calling from sure"),
        (RecognitionOptions(language="he-IL"), "אני מתקשר מחברת שור"),
        (RecognitionOptions(alternative_languages=("ar-IL",)), "انا اتصل من شركة"),
    ):
        assert (await a_call(ask(request_of(settings, options)))).finals == [text]
    with_hint = settings_of(V1, {"STT_HINTS_FILE": "hints.txt", "GCP_STT_MAX_ALTERNATIVES": "2"})
    ear = await a_call(ask(request_of(with_hint)))
    assert ear.finals == ["I am calling from Shure"]
    (final,) = (result for result in ear.results if result.is_final)
    assert [other.text for other in final.others] == ["I am calling from shore"]


@on_reactor
async def test_single_requests_ask_for_the_same(ask: Ask, settings_of: Callable[..., Settings]) -> None:
    request = request_of(settings_of(V2, {"STT_HINTS_FILE": "hints.txt", "GCP_STT_WORD_CONFIDENCE": "true"}))
    final = await soon(ask(request).recognise(AUDIO))
    assert final.text == "I am calling from Shure"
    assert {round(word.confidence, 2) for word in final.words} == {0.92}


@pytest.mark.parametrize("api", [V1, V2], ids=["v1", "v2"])
@on_reactor
async def test_a_time_out_of_speech_ends_a_stream_well_with_its_final(
    api: Mapping[str, str], ask: Ask, settings_of: Callable[..., Settings]
) -> None:
    google = ask(request_of(settings_of(api, {"GCP_STT_SPEECH_END_SECONDS": "0.3"})))
    ear = WaitingEar()
    session = google.open(ear)
    assert session.ends_by_itself
    for at in range(0, len(AUDIO), 1_200):
        session.write(AUDIO[at : at + 1_200])
    assert await ear.end() is None, "nobody has finished it"
    assert ear.finals == ["I am calling from sure"]
