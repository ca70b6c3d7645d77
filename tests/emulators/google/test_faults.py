from voicestt.emulators.google import fault_parser
from voicestt.emulators.google.faults import (
    Due,
    Fault,
    Faults,
    Method,
    What,
    When,
)


def whats(taken: tuple[Fault, ...]) -> list[What]:
    return [fault.what for fault in taken]


def test_calls_take_the_next_lines_one_after_the_other() -> None:
    plan = Faults(fault_parser.parse("next 2: hang\nall: slow 1 s\nnext: cut\nstreams 2-3: goaway"))
    taken = [whats(plan.of_new_call(number, Method.STREAMING)) for number in range(1, 5)]
    assert taken == [
        [What.HANG, What.SLOW],
        [What.HANG, What.SLOW, What.GOAWAY],
        [What.SLOW, What.CUT, What.GOAWAY],
        [What.SLOW],
    ]


def test_a_method_takes_its_own() -> None:
    plan = Faults(fault_parser.parse("next recognize: hang\nall streaming: cut\nrunning recognize: freeze"))
    assert whats(plan.of_new_call(1, Method.STREAMING)) == [What.CUT]
    assert whats(plan.of_new_call(2, Method.RECOGNIZE)) == [What.HANG]
    assert whats(plan.of_running_call(Method.RECOGNIZE)) == [What.FREEZE]
    assert plan.of_running_call(Method.STREAMING) == ()


def test_a_fault_strikes_once_and_in_time() -> None:
    due = Due(
        line.fault
        for line in fault_parser.parse("all: cut after 2 s of audio\nall: slow 1 s\nall: hang after 3 s")
    )
    assert due.delay == 1
    assert due.at(When.AUDIO, 1.9) == []
    assert whats(tuple(due.timed())) == [What.HANG]
    assert whats(tuple(due.at(When.AUDIO, 2.0))) == [What.CUT]
    assert due.at(When.AUDIO, 3.0) == due.timed() == due.at(When.START) == []
