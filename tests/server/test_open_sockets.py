from voicestt.server.open_sockets import OpenSockets


def test_who_waits_is_told_when_the_last_socket_is_closed() -> None:
    sockets, told = OpenSockets(), list[str]()
    first, second = object(), object()
    sockets.add(first)
    sockets.add(second)
    sockets.closed().addCallback(lambda _: told.append("closed"))
    sockets.remove(first)
    sockets.remove(first)
    assert told == []
    sockets.remove(second)
    assert told == ["closed"]


def test_without_sockets_nobody_waits() -> None:
    told = list[str]()
    OpenSockets().closed().addCallback(lambda _: told.append("closed"))
    assert told == ["closed"]
