"""Run contexts to try single checks in: real settings, the real reactor, and whichever server a test has."""

from pathlib import Path

from tests.recognisers.on_reactor import reactor
from voicestt.config.settings import Settings
from voicestt.ops.gonogo.examination import Check, examine
from voicestt.ops.gonogo.report import CheckOutcome, Finding
from voicestt.ops.gonogo.run_context import RunContext, Where

TOKEN = "12345678901234567890123456789012"
HOST = "voice.shop.co.il"
ENVIRON = {"PUBLIC_HOST": HOST, "TWILIO_AUTH_TOKEN": TOKEN, "ENABLE_STREAMING_STT": "true"}


def run_context(
    folder: Path, where: Where = Where.AGAINST, address: str | None = None, **variables: str
) -> RunContext:
    """A run context with settings that are read already."""
    made = RunContext(reactor, where, {**ENVIRON, **variables}, folder, address)
    made.read_settings = Settings.from_environment(made.environ)
    return made


async def findings_of(checks: list[Check]) -> dict[str, Finding]:
    """Return what these checks find; those that they need and that are not among them count as passed."""
    known = {check.key for check in checks}
    alone = [
        Check(
            check.key,
            check.title,
            check.run,
            tuple(key for key in check.needs if key in known),
            check.twilio,
            check.seconds,
        )
        for check in checks
    ]
    return {finding.key: finding for finding in await examine(reactor, alone, lambda _finding: None)}


def outcomes(findings: dict[str, Finding]) -> dict[str, CheckOutcome]:
    """The outcome of each check."""
    return {key: finding.outcome for key, finding in findings.items()}
