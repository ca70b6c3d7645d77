from voicestt.journal.undelivered import AT_ONCE, CURRENT_SECONDS, Backlog


def test_calls_that_go_on_come_newest_first_and_take_half_beside_what_is_left_over() -> None:
    backlog = Backlog()
    backlog.found(f"old{number}" for number in range(1_000))
    for number in range(1_000):
        backlog.wrote([f"new{number}"], now=1.0)
    choice = backlog.choose(2.0, (), with_left_over=True)
    assert choice.current == [f"new{number}" for number in range(999, 999 - AT_ONCE // 2, -1)]
    assert choice.left_over == [f"old{number}" for number in range(AT_ONCE // 2)]
    assert backlog.choose(2.0, (), with_left_over=False).left_over == []


def test_a_call_that_is_silent_for_a_minute_is_left_over_and_one_that_speaks_again_is_not() -> None:
    backlog = Backlog()
    backlog.wrote(["a", "b"], now=0.0)
    later = CURRENT_SECONDS + 1
    assert backlog.choose(later, (), with_left_over=True).left_over == ["a", "b"]
    backlog.wrote(["a"], now=later)
    choice = backlog.choose(later, (), with_left_over=True)
    assert (choice.current, choice.left_over) == (["a"], ["b"])


def test_who_has_nothing_is_asked_no_more_but_who_was_written_meanwhile_is() -> None:
    backlog = Backlog()
    backlog.found(["a", "b", "c"])
    choice = backlog.choose(0.0, ["c"], with_left_over=True)
    assert choice.sessions == ["a", "b"]
    backlog.wrote(["b"], now=0.0)
    backlog.read(choice, [])
    assert set(backlog.choose(0.0, (), with_left_over=True).sessions) == {"b", "c"}


def test_it_counts_what_waits() -> None:
    backlog = Backlog()
    backlog.wrote(["a", "a", "b"], now=0.0)
    backlog.delivered(2)
    assert backlog.waiting == 1
    backlog.delivered(9)
    assert backlog.waiting == 0
