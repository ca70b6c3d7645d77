"""Checks with Google what NUMBERS_FILE asks for: model, language, hints, features of each number and profile."""

from collections.abc import Iterator, Sequence

from voicestt.config.numbers_file import load_numbers
from voicestt.ops.gonogo.examination import Check
from voicestt.ops.gonogo.report import Found, failed, ok, unseen
from voicestt.ops.gonogo.run_context import RunContext
from voicestt.ops.gonogo.silent_stream import TriedRequest, try_request
from voicestt.recognisers.google.request import RecognitionRequest, not_asked, request_of

_SECONDS_EACH = 10.0
_MOST = 100


def number_checks(context: RunContext, needs: tuple[str, ...]) -> Sequence[Check]:
    """Make the check of the numbers, where there are any; `needs` are the keys of those that it waits for."""
    if not context.environ.get("NUMBERS_FILE", "").strip():
        return []
    title = "the recogniser accepts what each number in NUMBERS_FILE asks for"
    return [Check("recogniser.numbers", title, lambda: _numbers(context), needs, seconds=_SECONDS_EACH * _MOST)]


async def _numbers(context: RunContext) -> Found:
    settings = context.settings
    if settings.engine == "embedded":
        return unseen("not checked: STT_ENGINE=embedded", "Whisper takes every language and hint that it can.")
    wanted = dict(load_numbers(settings.numbers_file or "").wanted())
    tried: dict[RecognitionRequest, TriedRequest] = {}
    refused = []
    for place, options in list(wanted.items())[:_MOST]:
        request = request_of(settings, options)
        if request not in tried:
            tried[request] = await try_request(context, request)
        refused += [f"{place}: {words}" for words in _refused(request, tried[request])]
        refused += [
            f"{place}: {feature.name} will not be asked for, as Google has it with {feature.where}"
            for feature in not_asked(settings, options)
        ]
    if refused:
        advice = f"{'; '.join(refused)[:800]}. docs/speech.md says which models have what."
        return failed(f"{len(refused)} refused", advice)
    return ok(f"{len(wanted)} numbers and profiles, {len(tried)} different requests")


def _refused(request: RecognitionRequest, tried: TriedRequest) -> Iterator[str]:
    if tried.error is not None:
        yield f"{tried.error.status} for {request.model} with {request.language}: {tried.error.details[:160]}"
        return
    if tried.request.model != request.model:
        yield f"Google refuses {request.model} with {request.language}; {tried.request.model} will be used"
    left = tried.request.asked_features
    for feature in request.asked_features:
        if feature not in left:
            yield f"Google refuses {feature.name} with {request.model} and {request.language}"
