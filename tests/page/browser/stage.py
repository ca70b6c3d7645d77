"""The ground of the page's tests: a real server, a local Google service, simulated callers, and a real browser."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Playwright

from tests.end_to_end.clips import speech, write_wav
from tests.end_to_end.faults_rig import google_that_fails
from tests.end_to_end.rig import Server, reserved, running_again, running_server
from voicestt.emulators.google import script
from voicestt.ops.services import PUBLIC_HOST, beside_python

CHROMIUM = "/usr/bin/chromium"
PASSWORD = "the-page's-password"
VIEW_PASSWORD = "only-to-look-at-it"
EXPECT_MS = 60_000.0
SCREENSHOTS = Path(__file__).parents[3] / ".screenshots"
"""The folder of the views' pictures; git ignores the folder."""

HEBREW = "שלום {key}, אני מתקשר לגבי הזמנה 4417 מ-Amazon"
WORRIED = "היא עוד לא הגיעה ואני דואג"
SAID = script.Script(
    utterances=(script.Utterance(HEBREW, 0.4, 2.8), script.Utterance(WORRIED, 3.4, 4.8)),
    repeat=6.0,
    final_delay=0.3,
)
GREETING = "שלום, במה אפשר לעזור?"
CALLER = 7
WORRIER = 9


SETTINGS = {
    "PAGE_PASSWORD": PASSWORD,
    "PAGE_VIEW_PASSWORD": VIEW_PASSWORD,
    "RECORD": "both",
    "BOTH_TRACKS": "both",
    "GCP_STT_LANGUAGE": "he-IL",
    "GCP_STT_MODEL": "default",
    "STT_SOFT_LIMIT_SECONDS": "5",
    "STT_RESTARTS": "0",
    "MAX_LAG_MS": "0",  # a machine that is busy with other tests refuses no call
    "TTS_ENGINE": "espeak-ng",
    "TTS_LANGUAGE": "he-IL",
    "GREETING": GREETING,
    "GREETING_MAX_MS": "5000",
    "HANDLER": "tests.page.browser.answering:Answering",
    "PYTHONPATH": str(Path(__file__).parents[3]),
    "EVENTS_WEBHOOK_TYPES": "call_ended",
    "EVENTS_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
}


@dataclass
class PageStage:
    """The server, which may be started again, and what its callers need."""

    server: Server
    folder: Path
    faults: Path
    _stack: contextlib.ExitStack

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"{self.server.services.url}/"

    def call(self, number: int, seconds: float, *options: str) -> "subprocess.Popen[bytes]":
        """Begin a call in a process of its own; its audio says which call it is."""
        spoken = [
            (turn + start, turn + end) for turn in (0.0, 6.0, 12.0) for start, end in ((0.4, 2.8), (3.4, 4.8))
        ]
        loud = [(start, end) for start, end in spoken if end < seconds]
        clip = write_wav(self.folder / f"call-{number}.wav", speech(number, seconds, *loud))
        return self._begin(number, clip, *options)

    def call_of_two(self, number: int, other: int, seconds: float) -> "subprocess.Popen[bytes]":
        """Begin a call whose stream has both sides, each with the audio of a call of its own."""
        voices = [np.frombuffer(speech(each, seconds, (0.4, 2.8), (3.4, 4.8)), "<i2") for each in (number, other)]
        stereo = np.column_stack(voices).astype("<i2").tobytes()
        clip = write_wav(self.folder / f"call-{number}.wav", stereo, channels=2)
        return self._begin(number, clip, "--both-tracks")

    def _begin(self, number: int, clip: Path, *options: str) -> "subprocess.Popen[bytes]":
        command = [beside_python("voicestt"), "call", str(clip), "--to", self.server.services.url, *options]
        secrets = {"PUBLIC_HOST": PUBLIC_HOST, "TWILIO_AUTH_TOKEN": self.server.services.auth_token}
        with (self.folder / f"call-{number}.log").open("wb") as log:
            process = subprocess.Popen(command, env=os.environ | secrets, stdout=log, stderr=log, cwd=self.folder)
        self._stack.callback(_ended, process)
        return process

    @contextlib.contextmanager
    def crowd(self, count: int, seconds: float, first: int = 1_000) -> "Iterator[subprocess.Popen[bytes]]":
        """Many calls at once, numbered from `first`, in one process of their own; over at the end of the block."""
        services = self.server.services
        module = [sys.executable, "-P", "-m", "tests.page.browser.crowd"]
        secrets = {"PYTHONPATH": SETTINGS["PYTHONPATH"], "TWILIO_AUTH_TOKEN": services.auth_token}
        command = [*module, services.url, str(first), str(count), str(seconds)]
        process = subprocess.Popen(command, env=os.environ | secrets, cwd=self.folder)
        try:
            yield process
        finally:
            _ended(process)

    def fail_next_stream(self) -> None:
        """Let the next call's stream fail in the middle of a word: with STT_RESTARTS=0 the call is degraded."""
        self.faults.write_text(
            'next streaming: error INTERNAL "Internal error encountered." after 1.5 s of audio\n'
        )

    def start_again(self) -> None:
        """Start a server in the place of the one that is gone."""
        self.server = self._stack.enter_context(running_again(self.server))


def _ended(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[PageStage]:
    """Both services, listening; events go to a webhook where nobody listens."""
    with contextlib.ExitStack() as stack:
        nobody = stack.enter_context(reserved())
        webhook = {"EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{nobody.getsockname()[1]}/"}
        google, faults = stack.enter_context(google_that_fails(folder / "google", SAID))
        recordings = {"RECORD_DIR": str(folder / "recordings")}
        server = stack.enter_context(
            running_server(folder, google.google_port, **SETTINGS, **webhook, **recordings)
        )
        yield PageStage(server, folder, faults, stack)


def launched(playwright: Playwright, microphone: Path) -> Browser:
    """Start the browser; its microphone hears a recording."""
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
    ]
    return playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=flags)


class Visitor:
    """A browser's window with a login of its own; what its Content Security Policy forbade is remembered."""

    def __init__(self, stage: PageStage, browser: Browser, **looks: Any) -> None:
        looks = {
            "locale": "en-GB",
            "viewport": {"width": 1280, "height": 800},
            "timezone_id": "Asia/Jerusalem",
        } | looks
        self.stage = stage
        self.context: BrowserContext = browser.new_context(**looks)
        self.context.set_default_timeout(EXPECT_MS)
        self.problems: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("console", self._noted)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.failed: list[str] = []
        self.page.on("crash", lambda _page: self.failed.append("the page crashed"))
        self.page.on("requestfailed", lambda request: self.failed.append(f"{request.url}: {request.failure}"))

    def _noted(self, message: ConsoleMessage) -> None:
        # What is refused on purpose, or while a server is away, a browser calls an error too.
        if (
            message.type == "error"
            and "Failed to load resource" not in message.text
            and "net::" not in message.text
        ):
            self.problems.append(message.text)

    def log_in(self, password: str = PASSWORD, view: str = "live") -> Page:
        """Log in by the form, and go to a view."""
        self.page.goto(f"{self.stage.url}#/{view}")
        try:
            self.page.locator("#password").fill(password)
        except Error as error:
            seen = self.page.content()[-2_000:]
            raise AssertionError(f"no form to log in; requests that failed: {self.failed}; {seen}") from error
        self.page.locator("form.login button").click()
        self.page.locator("header.top").wait_for()
        return self.page

    def show(self, view: str) -> Page:
        """Go to a view."""
        self.page.evaluate("view => { location.hash = `#/${view}` }", view)
        return self.page

    def picture(self, name: str) -> Path:
        """Make a picture of what is seen."""
        SCREENSHOTS.mkdir(exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path

    def close(self) -> None:
        """Close the window."""
        self.context.close()
