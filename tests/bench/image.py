"""Builds deploy/Dockerfile without Docker, in a folder that debootstrap fills, and starts what it starts there.

    sudo .venv/bin/python tests/bench/image.py FOLDER    # five minutes; FOLDER is made, and yours to delete

For machines without a Docker engine. Both stages are one folder; Debian's own Python stands in for the image's.
Every RUN is executed, then CMD as the user of USER, until HEALTHCHECK says that it lives. Exit code 0: all worked.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = "python3,python3-venv,ca-certificates"
FROM_HERE = ("etc/resolv.conf", "etc/hosts", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt")
SETTINGS = {
    "PUBLIC_HOST": "image.example",
    "TWILIO_AUTH_TOKEN": "x",
    "PORT": "5997",
    # No call is made, so no key for Google is needed; without one, or this, the server does not start.
    "GCP_STT_ENDPOINT": "127.0.0.1:1",
    "GCP_STT_INSECURE": "true",
}
SECONDS = 60


class Image:
    """A root folder, and what the instructions so far have set."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.user = "0:0"
        self.folder = "/"
        proxies = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        self.environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"} | proxies
        self.health: list[str] = []
        self.command: list[str] = []

    def start_from_debian(self) -> None:
        """Fills the root folder."""
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(self.root)], check=True
        )
        for name in FROM_HERE:
            if Path("/", name).exists():
                shutil.copy(Path("/", name), self.root / name)
        (self.root / "usr/local/bin/python").symlink_to("/usr/bin/python3")

    def inside(self, command: list[str]) -> list[str]:
        """The command line that runs `command` in it, in its folder and as its user."""
        line = f"cd {self.folder} && exec {shlex.join(command)}"
        return ["chroot", f"--userspec={self.user}", str(self.root), "/bin/sh", "-c", line]

    def follow(self, name: str, rest: str) -> None:
        """Does what one instruction says."""
        match name:
            case "RUN":
                subprocess.run(self.inside(["/bin/sh", "-c", rest]), env=self.environment, check=True)
            case "ARG" | "ENV":
                for word in shlex.split(rest):
                    key, _, value = word.partition("=")
                    self.environment[key] = value.replace("$PATH", self.environment["PATH"])
            case "FROM" | "WORKDIR":
                self.folder = "/" if name == "FROM" else rest
                (self.root / self.folder[1:]).mkdir(parents=True, exist_ok=True)
            case "COPY" if not rest.startswith("--from"):
                self._copy(*rest.split())
            case "USER":
                self.user = rest
            case "HEALTHCHECK":
                self.health = json.loads(rest.partition("CMD ")[2])
            case "CMD":
                self.command = json.loads(rest)

    def _copy(self, *names: str) -> None:
        for name in names[:-1]:
            here, there = PROJECT / name, self.root / self.folder[1:] / name
            if here.is_dir():
                shutil.copytree(here, there, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                shutil.copy(here, there)

    def lives(self) -> bool:
        """True if its command starts, and its health check says so within a minute."""
        self.environment |= SETTINGS
        with subprocess.Popen(self.inside(self.command), env=self.environment) as process:
            give_up = time.monotonic() + SECONDS
            while unhealthy := subprocess.run(
                self.inside(self.health), env=self.environment, capture_output=True, check=False
            ).returncode:
                if process.poll() is not None or time.monotonic() > give_up:
                    break
                time.sleep(1)
            process.terminate()
        return not unhealthy


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Name and rest of each."""
    text = re.sub(r"^#.*\n", "", dockerfile, flags=re.MULTILINE).replace("\\\n", " ")
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in text.splitlines()) if name]


def main(folder: str) -> int:
    """Builds and tries it."""
    image = Image(Path(folder))
    image.start_from_debian()
    for name, rest in instructions((PROJECT / "deploy" / "Dockerfile").read_text()):
        print("==", name, rest, flush=True)
        image.follow(name, rest)
    is_good = image.lives()
    print("== it lives" if is_good else "== it does not live")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
