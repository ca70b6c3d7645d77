"""The reactor as a parameter, typed by what is used of it.

Code that only needs time takes a `voicestt.runtime.clock.Clock`. The types here join Twisted's own interfaces:
whatever implements them can be passed to Twisted's functions too (`Deferred.addTimeout`, `deferToThreadPool`).
"""

from twisted.internet.interfaces import (
    IReactorCore,
    IReactorFromThreads,
    IReactorSocket,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReactorUNIX,
)


class ReactorLike(IReactorTime, IReactorFromThreads):
    """A reactor's time, and the way into its thread from other threads."""


class FullReactor(ReactorLike, IReactorThreads, IReactorCore):
    """Twisted's own reactor: its thread pool, start and stop too; endpoints and HTTP clients need it."""


class TcpReactor(FullReactor, IReactorTCP):
    """Twisted's own reactor for those that listen on TCP ports without an endpoint."""


class SocketReactor(TcpReactor, IReactorUNIX, IReactorSocket):
    """Twisted's own reactor for sockets that go from one process to another."""
