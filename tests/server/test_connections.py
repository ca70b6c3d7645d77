from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.fakes import settings_of
from voicestt.server.connections import Visitor, Visitors, visitors_of

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1"))


class Room:
    """Visitors, and the names of those that were cut off."""

    def __init__(self, most: int, most_of_address: int) -> None:
        self.visitors = Visitors(most, most_of_address, PROXIES)
        self.cut: list[str] = []

    def admit(self, name: str, address: str = "192.0.2.1") -> Visitor | None:
        return self.visitors.admit(address, lambda: self.cut.append(name))


def test_a_flood_from_one_address_pushes_itself_out() -> None:
    room = Room(100, 2)
    room.admit("another", "192.0.2.9")
    for name in "abcd":
        assert room.admit(name) is not None
    assert (room.cut, len(room.visitors)) == (["a", "b"], 3)


def test_the_one_that_did_nothing_for_the_longest_makes_room() -> None:
    room = Room(2, 2)
    first = room.admit("first")
    room.admit("second", "192.0.2.2")
    assert first is not None
    first.moved()
    assert room.admit("third", "192.0.2.3") is not None
    assert (room.cut, room.visitors.cut_off) == (["second"], 1)


def test_a_connection_that_showed_a_signature_is_not_cut_for_others() -> None:
    room = Room(4, 2)
    addresses = ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.2"]
    signed = [visitor for each in addresses if (visitor := room.admit(each, each)) is not None]
    for visitor in signed:
        visitor.pin()
    assert room.admit("stranger") is None
    signed[0].leave()
    signed[0].leave()
    assert room.admit("another") is not None
    assert room.cut == []


def test_three_hundred_signed_handshakes_of_one_address_are_taken_beside_a_flood_of_it() -> None:
    """They are callers behind a proxy that nobody has named."""
    room = Room(1_000, 200)
    for number in range(300):
        signed = room.admit(f"call {number}")
        assert signed is not None
        signed.pin()
        assert room.admit(f"stranger {number}") is not None
    assert room.cut == [f"stranger {number}" for number in range(100)]
    assert len(room.visitors) == 500


def test_replayed_handshakes_shut_nobody_out() -> None:
    room = Room(100, 20)
    for number in range(300):
        signed = room.admit(f"replay {number}")
        assert signed is not None
        signed.pin()
    assert len(room.visitors) == 70
    for number in range(50):
        assert room.admit(f"caller {number}", f"192.0.2.{number + 100}") is not None
    assert not any(name.startswith("caller") for name in room.cut)


def test_an_ipv6_network_counts_as_one_address_and_a_mapped_ipv4_address_as_its_own() -> None:
    room = Room(100, 2)
    for number in range(5):
        room.admit(f"six {number}", f"2001:db8::{number:x}:1")
        room.admit(f"four {number}", "::ffff:192.0.2.5" if number % 2 else "192.0.2.5")
    assert len(room.visitors) == 4
    assert room.admit("neighbour", "2001:db8:0:1::1") is not None
    assert len(room.visitors) == 5
    assert room.visitors.is_proxy("::ffff:10.1.2.3")


def test_a_proxy_may_have_as_many_as_there_may_be() -> None:
    room = Room(5, 1)
    for name in "abcdef":
        assert room.admit(name, "10.1.2.3") is not None
    assert (room.cut, len(room.visitors)) == (["a"], 5)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", "6.6.6.6", "192.0.2.1"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.1", "6.6.6.6, 192.0.2.7, 10.9.9.9", "192.0.2.7"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "\x1b[2J", "10.0.0.1"),
        ("::1", "2001:db8::5", "2001:db8::5"),
        ("unknown address", "6.6.6.6", "unknown address"),
    ],
)
def test_x_forwarded_for_is_believed_of_our_proxies_alone(peer: str, forwarded: str | None, client: str) -> None:
    assert Visitors(1, 1, PROXIES).client(peer, forwarded) == client


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["come", "leave", "move", "pin"]))))
def test_the_bounds_hold_whatever_happens(steps: list[tuple[str, str]]) -> None:
    room, seen = Room(4, 2), list[Visitor]()
    for address, step in steps:
        if step == "come":
            visitor = room.admit(address, address)
            seen += [visitor] if visitor is not None else []
        elif seen:
            {"leave": seen[0].leave, "move": seen[-1].moved, "pin": seen[-1].pin}[step]()
        assert len(room.visitors) <= 4
    for visitor in seen:
        visitor.leave()
    assert len(room.visitors) == 0


def test_half_of_the_descriptors_are_left_to_calls() -> None:
    settings = settings_of(MAX_CONNECTIONS="100", MAX_CONNECTIONS_PER_ADDRESS="100")
    visitors = visitors_of(settings, descriptors=20)
    for number in range(20):
        visitors.admit(str(number), lambda: None)
    assert len(visitors) == 10
