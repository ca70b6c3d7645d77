"""Several hosts on one machine: namespaces behind a router of our own, or addresses of the loopback.

one   198.18.1.2 --+            +-- 198.18.3.2 redis       (both addresses are of the host `store`)
two   198.18.2.2 --+-- router --+-- 198.18.3.3 postgresql
this process .5.2 -+            +-- 198.18.4.2 google

To cut a host off from another, the router drops the packets between both, in both directions and without a word,
as a broken switch does: connections stay open and are silent. Where namespaces cannot be made, each is an address
of 127.0.0.0/8, a relay of TCP stands in every way, and to cut it off is to pass nothing on. 198.18.0.0/15 is
reserved for benchmarks (RFC 2544).
"""

import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

NAMESPACE_OF = {"one": "one", "two": "two", "redis": "store", "postgresql": "store", "google": "google"}
_SUBNET = {"one": 1, "two": 2, "store": 3, "google": 4}
_HERE = 5
_ADDRESS = {
    "one": "198.18.1.2",
    "two": "198.18.2.2",
    "redis": "198.18.3.2",
    "postgresql": "198.18.3.3",
    "google": "198.18.4.2",
    "here": f"198.18.{_HERE}.2",
}
_LOOPBACK = dict(zip(_ADDRESS, ("127.0.0.2", "127.0.0.3", *3 * ["127.0.0.4"], "127.0.0.1"), strict=True))
_PREFIX = "voicestt-proof-"


class Hosts(Protocol):
    """The hosts `one` and `two`, and what they reach: `redis`, `postgresql`, `google`."""

    said: str

    def address(self, name: str) -> str:
        """Its address; that of this process is `here`."""

    def within(self, name: str) -> tuple[str, ...]:
        """The beginning of the command line of a process on it."""

    def way(self, host: str, name: str, port: int) -> str:
        """The address and port by which a host reaches a port of another."""

    def cut(self, host: str, name: str) -> None:
        """Cut the host off from another."""

    def mend(self, host: str, name: str) -> None:
        """Let it be reached again."""

    def close(self) -> None:
        """Remove all of it."""


def hosts() -> Hosts:
    """Make namespaces, or say why not and make addresses of the loopback."""
    missing = [program for program in ("ip", "unshare", "hostname") if shutil.which(program) is None]
    if missing:
        return LoopbackHosts(f"{', '.join(missing)} missing: apt-get install iproute2 util-linux hostname")
    if os.geteuid() != 0:
        return LoopbackHosts("only root may make network namespaces")
    made = NamespaceHosts()
    try:
        made.make()
    except subprocess.CalledProcessError as error:
        made.close()
        return LoopbackHosts(f"namespaces cannot be made: {error.stderr.decode().strip()}")
    return made


class NamespaceHosts:
    """Each host is a network namespace; a router between them knows all ways."""

    said = "network namespaces, with a router of their own between them"

    def __init__(self) -> None:
        self._id = f"{_PREFIX}{os.getpid()}-"
        self._link = f"vsp{os.getpid()}"
        self._router = f"{self._id}router"
        self._stack = ExitStack()

    def make(self) -> None:
        """Make all; raises CalledProcessError with the words of `ip`."""
        remove_orphans()
        _ip("netns", "add", self._router)
        for name, subnet in _SUBNET.items():
            _ip("netns", "add", self._id + name)
            self._join(subnet, name)
        _ip("-n", self._id + "store", "addr", "add", f"{_ADDRESS['postgresql']}/24", "dev", "eth0")
        self._join(_HERE, None)
        _ip("netns", "exec", self._router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        _ip(*self.within("one")[1:], "true")  # a name of its own can be given, too

    def _join(self, subnet: int, name: str | None) -> None:
        """A cable from the router to a host, or (None) to where this process is."""
        near, gate = f"r{subnet}", f"198.18.{subnet}.1"
        there = ("-n", self._id + name) if name else ()
        device = "eth0" if name else self._link
        peer = ("peer", "name", device, *(("netns", self._id + name) if name else ("netns", str(os.getpid()))))
        _ip("-n", self._router, "link", "add", near, "type", "veth", *peer)
        _ip("-n", self._router, "addr", "add", f"{gate}/24", "dev", near)
        _ip("-n", self._router, "link", "set", near, "up")
        _ip(*there, "addr", "add", f"198.18.{subnet}.2/24", "dev", device)
        _ip(*there, "link", "set", device, "up")
        if name:
            _ip(*there, "link", "set", "lo", "up")
        _ip(*there, "route", "add", "198.18.0.0/16", "via", gate)

    def address(self, name: str) -> str:
        return _ADDRESS[name]

    def within(self, name: str) -> tuple[str, ...]:
        named = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', name)
        return ("ip", "netns", "exec", self._id + NAMESPACE_OF[name], *named)

    def way(self, host: str, name: str, port: int) -> str:
        if name != "google":
            return f"{_ADDRESS[name]}:{port}"
        # plaintext to Google's stand-in is allowed on the loopback only: a relay on the host is its way there
        command = [sys.executable, str(Path(__file__).resolve()), str(port), _ADDRESS[name]]
        relay = subprocess.Popen([*self.within(host), *command])
        self._stack.callback(relay.wait)
        self._stack.callback(relay.kill)
        return f"127.0.0.1:{port}"

    def cut(self, host: str, name: str) -> None:
        self._rules("add", _ADDRESS[host], _ADDRESS[name])

    def mend(self, host: str, name: str) -> None:
        self._rules("del", _ADDRESS[host], _ADDRESS[name])

    def _rules(self, what: str, one: str, other: str) -> None:
        for source, target in ((one, other), (other, one)):
            _ip("-n", self._router, "rule", what, "from", source, "to", target, "blackhole")

    def close(self) -> None:
        self._stack.close()
        for name in (*_SUBNET, "router"):
            _removed(self._id + name)


def remove_orphans() -> None:
    """Remove the namespaces of runs that were killed."""
    folder = Path("/run/netns")
    for each in folder.glob(f"{_PREFIX}*") if folder.is_dir() else ():
        pid = each.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            _removed(each.name)


def _removed(namespace: str) -> None:
    with suppress(subprocess.CalledProcessError):
        _ip("netns", "del", namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


class LoopbackHosts:
    """Each host is an address of the loopback, and each way a relay."""

    def __init__(self, why: str) -> None:
        self.said = f"127.0.0.2, .3 and .4, with relays between them ({why})"
        self._stack = ExitStack()
        self._relays: dict[tuple[str, str], Relay] = {}

    def address(self, name: str) -> str:
        return _LOOPBACK[name]

    def within(self, name: str) -> tuple[str, ...]:
        return ()

    def way(self, host: str, name: str, port: int) -> str:
        if (host, name) not in self._relays:
            relay = Relay(_LOOPBACK[host], (_LOOPBACK[name], port))
            self._relays[host, name] = relay
            self._stack.callback(relay.close)
        return f"{_LOOPBACK[host]}:{self._relays[host, name].port}"

    def cut(self, host: str, name: str) -> None:
        self._relays[host, name].passes.clear()

    def mend(self, host: str, name: str) -> None:
        self._relays[host, name].passes.set()

    def close(self) -> None:
        self._stack.close()


class Relay:
    """Passes TCP connections on; while `passes` is not set, what comes is kept and nothing is said."""

    def __init__(self, address: str, target: tuple[str, int], port: int = 0) -> None:
        self.passes = threading.Event()
        self.passes.set()
        self._target = target
        self._listening = socket.create_server((address, port))
        self.port: int = self._listening.getsockname()[1]
        self._open: list[socket.socket] = [self._listening]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        self.passes.set()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._open.append(near)
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        self.passes.wait()
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        self._open.append(far)
        threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()
        self._pass_on(far, near)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                self.passes.wait()
                other.sendall(data)
        with suppress(OSError):
            self.passes.wait()
            other.shutdown(socket.SHUT_WR)


def main() -> None:
    """Relay a port of 127.0.0.1 to the same port of an address."""
    port = int(sys.argv[1])
    Relay("127.0.0.1", (sys.argv[2], port), port)
    threading.Event().wait()


if __name__ == "__main__":
    main()
