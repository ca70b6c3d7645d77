"""Checks of one call, from the webhook to the last final."""

from voicestt.emulators.twilio.clip import BadClip
from voicestt.ops.demo.judgement import (
    CLOCK_GRAIN,
    WORST_WORD_ERRORS,
    partial_gaps,
    percentile,
)
from voicestt.ops.demo.word_errors import WordErrors
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.listening import (
    LAST_WORDS,
    HeardCall,
    broken,
    call_and_listen,
    find_recording,
    handler_hung_up,
    is_stand_in,
    sound,
)
from voicestt.ops.gonogo.report import (
    Found,
    failed,
    ok,
    skipped,
    unseen,
)
from voicestt.ops.gonogo.run_context import RunContext, Where
from voicestt.ops.gonogo.server_log import own_failures
from voicestt.ops.gonogo.settings_checks import READ
from voicestt.ops.gonogo.socket_checks import OPENS
from voicestt.ops.gonogo.webhook_checks import DOCUMENT

RECORDING = "call.recording"
STAYS, _FINAL, _PARTIALS = "call.stays", "call.final", "call.partials"
_SLOWEST_PARTIAL, _SLOWEST_FINAL = 2.5, 3.0
_CALL_SECONDS = 180.0
_LIVE_LINES = (
    "[CFG] ENABLE_STREAMING_STT=True",
    "📞 WebSocket connected: /ws/twilio-media",
    "🟡 Partial: ",
    "🟢 Final: ",
)
ELSEWHERE = "`voicestt gonogo` without arguments proves it with the same settings."


def call_checks(context: RunContext, heard: HeardCall) -> list[Check]:
    """Make the check that places the call and one for each possible fault of it; they fill `heard`."""
    return [
        Check(RECORDING, "there is a recording to call with", lambda: _recording(context, heard), (READ,)),
        Check(
            STAYS,
            "the connection stays for the whole call",
            lambda: _stays(context, heard),
            (DOCUMENT, OPENS),
            31921,
            _CALL_SECONDS,
        ),
        Check(_FINAL, "the final comes", lambda: _final(context, heard), (STAYS, RECORDING)),
        Check(_PARTIALS, "partials come while the caller speaks", lambda: _partials(context, heard), (_FINAL,)),
        Check("call.latency", "the words come in time", lambda: _latency(heard), (_PARTIALS,)),
        Check("call.cadence", "partials keep the debounce", lambda: _cadence(context, heard), (_PARTIALS,)),
        Check("call.words", "the words are those that were said", lambda: _words(context, heard), (_FINAL,)),
        Check("call.log", "the log has the four lines of going live", lambda: _log(context), (_PARTIALS,)),
    ]


async def _recording(context: RunContext, heard: HeardCall) -> Found:
    try:
        heard.recording = find_recording(context.settings, context.clip, context.text)
    except BadClip as problem:
        return failed("it cannot be read", f"{str(problem).rstrip('.')}. Give another with --clip.")
    if heard.recording is None:
        language = context.settings.language
        advice = (
            f"Record a few sentences in {language} and say: voicestt gonogo --clip FILE --text 'THE WORDS IN IT'."
            + " Or: apt-get install pocketsphinx-testdata." * language.lower().startswith("en")
        )
        return skipped("none", advice)
    return ok(heard.recording.name)


async def _stays(context: RunContext, heard: HeardCall) -> Found:
    recording = heard.recording or sound()
    report = await call_and_listen(context, context.target, recording, heard)
    problem = broken(report)
    if handler_hung_up(report):
        return ok(f"{report.seconds:.1f} s, then the handler hung up")
    if problem is None:
        return ok(f"{report.seconds:.1f} s, closed with {report.close_code or 'no code'}")
    advice = (
        "The server's log says why it closed: an audio format that is not mu-law, a refused start, or a "
        "mistake. If it shows no such line, a proxy between ends WebSockets: look for its time-out, and "
        "switch WebSockets on."
    )
    return failed(f"{problem.message[:70]}, after {report.seconds:.1f} s", advice, problem.code)


async def _final(context: RunContext, heard: HeardCall) -> Found:
    if context.events_file is None:
        return _not_seen(context)
    delay = heard.last_final
    if delay is None:
        advice = (
            "The recogniser heard nothing: is it the recording's language, is it loud enough, does the log say "
            "`The words of … are lost`? A stand-in at GCP_STT_ENDPOINT that is not scripted needs a --clip. "
            "With --against: can you read its EVENTS_FILE?"
        )
        return failed(f"none within {LAST_WORDS:.0f} s", advice)
    return ok(f"{len(heard.finals)}, {delay * 1000:.0f} ms after the speech")


def _not_seen(context: RunContext) -> Found:
    if context.where is Where.PUBLIC:
        return unseen("not seen from outside", ELSEWHERE)
    advice = (
        "Set EVENTS_FILE, for the server and here, to see its words; or run voicestt gonogo without arguments."
    )
    return skipped("no EVENTS_FILE to read them from", advice)


async def _partials(context: RunContext, heard: HeardCall) -> Found:
    if heard.partials:
        return ok(f"{len(heard.partials)} of them")
    if not context.settings.enable_streaming_stt:
        return failed(
            "none: the flag is off", "Set ENABLE_STREAMING_STT=true, or `voicestt flag on` in a running server."
        )
    degraded = [line for line in context.server.messages() if "Degraded" in line] if context.server else []
    seen = f" Here: {degraded[0][:200]}" if degraded else ""
    advice = (
        "Streaming fails and each utterance is one request: the log's line `Degraded` says why. Or the flag "
        f"was turned off in the running server: `voicestt flag show`.{seen}"
    )
    return failed("none", advice)


async def _latency(heard: HeardCall) -> Found:
    first, last = heard.first_partial or 0.0, heard.last_final or 0.0
    figure = f"first partial {first * 1000:.0f} ms, final {last * 1000:.0f} ms"
    if first <= _SLOWEST_PARTIAL and last <= _SLOWEST_FINAL:
        return ok(figure)
    advice = (
        f"High latency: more than {_SLOWEST_PARTIAL:g} s or {_SLOWEST_FINAL:g} s. The recogniser answers "
        "slowly (is GCP_STT_ENDPOINT far away? is an embedded engine short of CPU?), or the server does: then "
        "the status callback above is slow too, and it needs more CPU."
    )
    return failed(figure, advice)


async def _cadence(context: RunContext, heard: HeardCall) -> Found:
    gaps = partial_gaps(heard.events)
    middle, most = percentile(gaps, 0.5), percentile(gaps, 0.95)
    if middle is None or most is None:
        return skipped("fewer than two partials", "Say more: give a longer recording with --clip.")
    debounce = context.settings.partial_debounce_ms
    figure = f"p50 {middle * 1000:.0f} ms, p95 {most * 1000:.0f} ms, debounce {debounce} ms"
    if min(gaps) < debounce / 1000 - CLOCK_GRAIN:
        return failed(
            f"{min(gaps) * 1000:.0f} ms apart, debounce {debounce} ms", "A mistake of the server: report it."
        )
    return ok(figure)


async def _words(context: RunContext, heard: HeardCall) -> Found:
    text = heard.recording.text if heard.recording else None
    if text is None:
        if is_stand_in(context.settings):
            return unseen("a stand-in recogniser: nothing to compare", "This says nothing of Google itself.")
        return skipped("nobody said what is spoken", "Give the words of --clip with --text.")
    errors = WordErrors.between(text, heard.words)
    figure = f"{errors.wrong} of {errors.spoken} wrong ({errors.rate:.0%})"
    if errors.rate < WORST_WORD_ERRORS:
        return ok(figure)
    advice = (
        f"Heard: {heard.words[:160]!r}. Is GCP_STT_LANGUAGE ({context.settings.language}) the language of the "
        "recording, and --text what is said in it? Try GCP_STT_MODEL=default."
    )
    return failed(figure, advice)


async def _log(context: RunContext) -> Found:
    if context.server is None:
        return unseen(
            "not seen from outside", ELSEWHERE if context.where is Where.PUBLIC else "Look for them yourself."
        )
    messages = context.server.messages()
    missing = [line for line in _LIVE_LINES if not any(message.startswith(line) for message in messages)]
    if missing:
        return failed(
            "missing: " + ", ".join(missing), "See the server's log: another voicestt may have been started."
        )
    if own_failures(messages):
        return failed("there is a traceback in it", "A mistake of the server: report it with these lines.")
    return ok("[CFG] 📞 🟡 🟢")
