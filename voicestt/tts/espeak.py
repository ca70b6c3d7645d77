"""Speech by espeak-ng, Debian's package of that name, as a process: a voice for a machine without accounts.

A process for each text: a few milliseconds, and whatever befalls it (some voices crash it) befalls nobody else.
The text goes in by stdin: a command line is seen by everybody on the machine.
"""

import re
import resource
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from subprocess import PIPE
from threading import Timer
from typing import Final

from voicestt.config.settings import Settings
from voicestt.tts.port import SpeechError
from voicestt.tts.wav import telephone_audio

SECONDS: Final = 10.0
_CPU_SECONDS: Final = 10
_MOST_MEMORY: Final = 1 << 29
_MOST_OUTPUT: Final = 600 * 22_050 * 2  # ten minutes, more than which Twilio does not keep
_TRY: Final = "1"
_PHONEMES = re.compile(r"\[(?=\[)")  # of `[[`, after which it expects phonemes
_LONGEST_COMPLAINT: Final = 500
_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8"}  # not our own environment, which holds secrets
# The codes that ISO 639 has withdrawn, which Google and Java still use.
_ALIASES: Final = {"iw": "he", "in": "id", "ji": "yi"}


@dataclass(frozen=True, slots=True)
class _Said:
    """The result of a process.

    `code` is its exit code (below 0: the signal that ended it), `wav` its output and `complaint` its first line of
    stderr.
    """

    code: int
    wav: bytes
    complaint: str


class Espeak:
    """A Synthesiser that runs espeak-ng.

    `voice` is a name or a language of `espeak-ng --voices`; `program` is espeak-ng's path.
    """

    def __init__(self, program: str, voice: str, seconds: float = SECONDS) -> None:
        self._command = (program, "-v", voice, "-b", "1", "--stdin", "--stdout")  # -b 1: UTF-8
        self._seconds = seconds

    def speak(self, text: str) -> bytes:
        """Speak `text`.

        Raises:
            SpeechError: when the process fails, takes too long, or says more than ten minutes.
        """
        said = self._say(_PHONEMES.sub("[ ", text))
        if said.code:
            # espeak-ng's complaint may repeat the text.
            raise SpeechError(f"espeak-ng {_words(said.code)}; it may take {self._seconds:g} s")
        return telephone_audio(said.wav) if said.wav else b""

    def check(self) -> str:
        """Try the voice, and return the problem in words, "" if it speaks."""
        said = self._say(_TRY)
        if said.code or not said.wav:
            return said.complaint or _words(said.code)
        return ""

    def _say(self, text: str) -> _Said:
        try:
            process = subprocess.Popen(
                self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, cwd="/", env=_ENVIRONMENT
            )
        except OSError as problem:
            raise SpeechError(f"espeak-ng could not be started: {problem.strerror}") from None
        _limit(process.pid)
        patience = Timer(self._seconds, process.kill)
        patience.daemon = True
        patience.start()
        try:
            with process:
                return _talk(process, text)
        finally:
            patience.cancel()


def espeak_of(settings: Settings) -> Espeak:
    """Create an Espeak by the settings, and try it.

    Raises:
        SpeechError: when it is not installed, or has no such voice.
    """
    program = shutil.which("espeak-ng")
    if program is None:
        raise SpeechError("TTS_ENGINE=espeak-ng needs a program that is not installed: apt install espeak-ng")
    language = settings.tts_language or settings.language
    espeak = Espeak(program, settings.tts_voice or voice_of(language))
    complaint = espeak.check()
    if complaint:
        wanted = f"the voice {settings.tts_voice}" if settings.tts_voice else f"the language {language}"
        raise SpeechError(
            f"espeak-ng does not speak with {wanted} ({complaint.rstrip('.')}). `espeak-ng --voices` lists what "
            "it has: set TTS_LANGUAGE or TTS_VOICE"
        )
    return espeak


def voice_of(language: str) -> str:
    """Return espeak-ng's name for a BCP-47 language: the code in small letters, with its region.

    Withdrawn codes are replaced.
    """
    primary, separator, rest = language.lower().partition("-")
    return _ALIASES.get(primary, primary) + separator + rest


def _talk(process: subprocess.Popen[bytes], text: str) -> _Said:
    assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - they are pipes
    with suppress(BrokenPipeError):
        process.stdin.write(text.encode("utf-8", "replace"))
        process.stdin.flush()
    with suppress(BrokenPipeError):
        process.stdin.close()
    wav = process.stdout.read(_MOST_OUTPUT + 1)
    if len(wav) > _MOST_OUTPUT:
        process.kill()
        raise SpeechError("espeak-ng made more than ten minutes of the text: say less at a time")
    complaint = process.stderr.read(_LONGEST_COMPLAINT).decode("utf-8", "replace").strip()
    return _Said(process.wait(), wav, complaint.partition("\n")[0])


def _limit(pid: int) -> None:
    """Limit the process's time and memory, where the system can do that from outside.

    Code that runs before `exec` is not safe beside threads. The process has no text yet, so it has not begun.
    """
    limits = {
        resource.RLIMIT_CPU: _CPU_SECONDS,
        resource.RLIMIT_AS: _MOST_MEMORY,
        resource.RLIMIT_CORE: 0,
    }
    if hasattr(resource, "prlimit"):
        with suppress(OSError):  # it has ended already
            for limit, most in limits.items():
                resource.prlimit(pid, limit, (most, most))


def _words(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
