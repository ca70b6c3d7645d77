"""The handler, loaded by a real process in its folder, and the voices; who was told, an answering server says."""

import json
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from tests.ops.gonogo.faulty_proxy import Fault, answer, faulty_proxy
from tests.ops.gonogo.run_contexts import findings_of, run_context
from tests.recognisers.on_reactor import on_reactor, reactor
from voicestt.ops.gonogo import application_checks as checks
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run_context import Where
from voicestt.ops.gonogo.started import StartedServer
from voicestt.ops.services import Services

OK, FAILED, UNSEEN = CheckOutcome.OK, CheckOutcome.FAILED, CheckOutcome.UNSEEN
ESPEAK = {"TTS_ENGINE": "espeak-ng", "TTS_LANGUAGE": "en-US"}


class Found:
    """The findings of the two checks in a folder that has modules of an application."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def module(self, name: str, text: str) -> None:
        (self._folder / f"{name}.py").write_text(dedent(text))

    async def handler(self, path: str, where: Where = Where.STARTED) -> Finding:
        return (await self._all(where, HANDLER=path))[checks.LOADS]

    async def speech(self, variables: Mapping[str, str], where: Where = Where.STARTED) -> Finding:
        return (await self._all(where, **variables))["speech.speaks"]

    async def _all(self, where: Where, **variables: str) -> dict[str, Finding]:
        return await findings_of(checks.application_checks(run_context(self._folder, where, **variables)))


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Found:
    monkeypatch.chdir(tmp_path)
    return Found(tmp_path)


@on_reactor
async def test_a_handler_is_found_in_the_working_folder_and_its_methods_are_named(found: Found) -> None:
    found.module(
        "shop",
        """
        print('{"methods": "of another"}')
        class Agent:
            def on_call_started(self, call): ...
            async def on_final(self, call, event): ...
            async def on_finall(self, call, event): ...
        """,
    )
    finding = await found.handler("shop:Agent")
    assert (finding.outcome, finding.figure) == (OK, "told of call_started, final")
    assert finding.advice.startswith("on_finall: there is no such event")


@pytest.mark.parametrize(
    ("text", "figure", "advice"),
    [
        ("class Other: ...", "it cannot be", "shop has no Agent"),
        ("import nowhere_at_all", "it cannot be", "nowhere_at_all"),
        ("class Agent: ...", "it cannot be", "none of the methods"),
        ("import os; os._exit(0)", "the process that loads it ended", "ends Python"),
        ("import os; os.kill(os.getpid(), 11)", "the process that loads it ended", "ends Python"),
        ("raise SystemExit('{}')", "it cannot be", "SystemExit"),
    ],
)
@on_reactor
async def test_a_handler_that_cannot_be_used_is_no_go(found: Found, text: str, figure: str, advice: str) -> None:
    found.module("shop", text)
    finding = await found.handler("shop:Agent")
    assert (finding.outcome, finding.figure, advice in finding.advice) == (FAILED, figure, True)


@on_reactor
async def test_a_module_that_waits_is_not_waited_for(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_LOAD_SECONDS", 1.0)
    found.module("shop", "import threading; threading.Event().wait()")
    assert (await found.handler("shop:Agent")).figure == "not within 1 s"


@on_reactor
async def test_threads_that_a_module_starts_do_not_keep_it(found: Found) -> None:
    found.module(
        "shop",
        """
        import threading
        threading.Thread(target=threading.Event().wait).start()
        class Agent:
            def on_final(self, call, event): ...
        """,
    )
    assert (await found.handler("shop:Agent")).outcome is OK


@on_reactor
async def test_a_running_server_has_loaded_its_handler_itself(found: Found) -> None:
    for where in (Where.AGAINST, Where.PUBLIC):
        assert (await found.handler("elsewhere:Agent", where)).outcome is OK
    assert (await found.handler("")).figure == "there is none: HANDLER is not set"


@on_reactor
async def test_a_voice_is_heard(found: Found) -> None:
    finding = await found.speech(ESPEAK)
    assert finding.outcome is OK
    length, _, rest = finding.figure.partition(" ms of speech in ")
    assert int(length) > 300
    assert rest.endswith(" ms")


@on_reactor
async def test_a_voice_that_is_not_there_is_no_go(found: Found) -> None:
    finding = await found.speech({**ESPEAK, "TTS_VOICE": "nobody"})
    assert (finding.outcome, "espeak-ng --voices" in finding.advice) == (FAILED, True)
    assert (await found.speech(ESPEAK, Where.PUBLIC)).outcome is UNSEEN
    assert (await found.speech({})).figure == "TTS_ENGINE=off"


@on_reactor
async def test_googles_voice_without_a_google_is_no_go(found: Found) -> None:
    nowhere = {"GCP_STT_INSECURE": "true", "GCP_STT_ENDPOINT": "127.0.0.1:1", "GCP_TTS_ENDPOINT": "127.0.0.1:1"}
    finding = await found.speech({"TTS_ENGINE": "google", **nowhere})
    assert (finding.outcome, "UNAVAILABLE" in finding.advice) == (FAILED, True)


COUNTS = '{{"calls": 0, "waiting": 0, "failed": {failed}, "stalls": 0}}'


@pytest.mark.parametrize(
    ("said", "outcome", "figure"),
    [
        (f'{{"handler": {COUNTS.format(failed=0)}}}', OK, "no failure since the server's start"),
        (f'{{"handler": {COUNTS.format(failed=3)}}}', OK, "3 failures since the server's start"),
        ('{"status": "ok"}', FAILED, "the server does not tell"),
        ("[]", FAILED, "the server does not tell"),
    ],
)
@on_reactor
async def test_a_running_server_says_how_its_handlers_are(
    tmp_path: Path, said: str, outcome: CheckOutcome, figure: str
) -> None:
    port = faulty_proxy(reactor, 0, Fault("/", instead=answer("200 OK", "application/json", said.encode())))
    here = run_context(tmp_path, address=f"127.0.0.1:{port.getHost().port}", HANDLER="shop:Agent")
    finding = (await findings_of([checks.handler_check(here)]))["handler.told"]
    await port.stopListening()
    assert (finding.outcome, finding.figure) == (outcome, figure)


FAILED_LINES = [
    "The handler failed in on_final at event s-000003; the call goes on, and so does the handler.",
    "\tTraceback (most recent call last):",
    '\t  File "shop.py", line 3, in on_final',
    "\tbuiltins.ZeroDivisionError: division by zero",
    "\t",
]
REFUSED_LINES = [*FAILED_LINES[:3], "\tvoicestt.twilio.rest.TwilioRefused: Twilio's API cannot be reached"]


@pytest.mark.parametrize(
    ("lines", "counts", "outcome", "figure", "advice"),
    [
        ([], {}, OK, "no failure", ""),
        (FAILED_LINES, {"failed": 1}, FAILED, "it failed 1 time", "on_final at event s-000003: builtins.ZeroDiv"),
        (FAILED_LINES * 2, {"failed": 2}, FAILED, "it failed 2 times", "ZeroDivisionError"),
        ([], {"failed": 1}, FAILED, "it failed 1 time", "log says in what"),
        (REFUSED_LINES, {"failed": 1}, OK, "no failure", "a call that is only simulated goes nowhere"),
        ([*REFUSED_LINES, *FAILED_LINES], {"failed": 2}, FAILED, "it failed 1 time", "ZeroDivisionError"),
        ([], {"stalls": 2}, OK, "it blocks its loop", "must not block"),
        ([], {"calls": 1}, OK, "not done 0 s after the call", "takes so long"),
    ],
)
@on_reactor
async def test_a_server_of_ones_own_says_what_its_handler_did(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    counts: dict[str, int],
    outcome: CheckOutcome,
    figure: str,
    advice: str,
) -> None:
    for name in ("_TELL_SECONDS", "_LOG_SECONDS"):
        monkeypatch.setattr(checks, name, 0.1)
    health = json.dumps({"handler": {"calls": 0, "failed": 0, "stalls": 0, **counts}}).encode()
    port = faulty_proxy(reactor, 0, Fault("/", instead=answer("200 OK", "application/json", health)))
    here = run_context(tmp_path, Where.STARTED, HANDLER="shop:Agent")
    here.server = StartedServer(reactor, tmp_path, here.environ)
    here.server._services = Services(tmp_path, server_port=port.getHost().port)
    for line in lines:
        here.server._take(line)
    finding = (await findings_of([checks.handler_check(here)]))["handler.told"]
    await port.stopListening()
    assert (finding.outcome, finding.figure, advice in finding.advice) == (outcome, figure, True)
