from voicestt import events
from voicestt.handler import Call, Handler
from voicestt.handler.protocol import METHODS, methods_of


class Some:
    def on_final(self, call: Call, event: events.Final) -> None: ...


class Typed(Handler):
    async def on_partial(self, call: Call, event: events.Partial) -> None: ...

    def on_call_ended(self, call: Call, event: events.CallEnded) -> None: ...


def test_there_is_a_method_for_each_type_of_event() -> None:
    assert set(METHODS) == set(events.TYPES.values())
    assert METHODS[events.UtteranceEnd] == "on_utterance_end"
    assert all(callable(getattr(Handler, name)) for name in METHODS.values())


def test_a_class_is_told_only_what_it_has_a_method_for() -> None:
    assert methods_of(Some) == {events.Final: "on_final"}


def test_methods_inherited_from_the_protocol_are_never_called() -> None:
    assert methods_of(Typed) == {events.Partial: "on_partial", events.CallEnded: "on_call_ended"}


def test_the_protocols_own_methods_do_nothing() -> None:
    handler = Typed()
    for name in METHODS.values():
        if name in vars(Handler) and name not in vars(Typed):
            arguments = [None] if name == "on_call_started" else [None, None]
            assert getattr(handler, name)(*arguments) is None
