import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from voicestt.runtime.thread_pool import DaemonThreadPool

PATIENCE = 30.0


@pytest.fixture
def threads() -> Iterator[DaemonThreadPool]:
    made = DaemonThreadPool(2, "test")
    yield made
    made.stop()


def test_nothing_is_begun_before_it_is_needed(threads: DaemonThreadPool) -> None:
    assert threads.alive == 0
    assert threads.run(lambda: 6 * 7).result(PATIENCE) == 42
    assert threads.alive == 1


def test_an_idle_thread_is_used_again(threads: DaemonThreadPool) -> None:
    idents = {threads.run(threading.get_ident).result(PATIENCE) for _ in range(50)}
    # One may still be on its way back from its last function when the next one comes.
    assert len(idents) <= 2
    assert threads.alive <= 2


def test_what_a_function_raises_is_the_futures(threads: DaemonThreadPool) -> None:
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda: 1 / 0).result(PATIENCE)
    with pytest.raises(SystemExit):
        threads.run(lambda: exec("raise SystemExit")).result(PATIENCE)
    assert threads.run(lambda: "alive").result(PATIENCE) == "alive"


def test_so_many_at_once_and_the_others_in_turn(threads: DaemonThreadPool) -> None:
    gate, running, most = threading.Event(), list[int](), list[int]()

    def work(number: int) -> int:
        running.append(number)
        most.append(len(running))
        gate.wait(PATIENCE)
        running.remove(number)
        return number

    futures = [threads.run(lambda number=number: work(number)) for number in range(6)]  # type: ignore[misc]
    gate.set()
    assert [future.result(PATIENCE) for future in futures] == list(range(6))
    assert max(most) <= 2


def test_its_threads_do_not_keep_the_process(threads: DaemonThreadPool) -> None:
    assert threads.run(lambda: threading.current_thread().daemon).result(PATIENCE)


def test_a_function_that_never_returns_does_not_keep_the_interpreter_from_ending() -> None:
    program = (
        "import threading; from voicestt.runtime.thread_pool import DaemonThreadPool; begun = threading.Event();"
        "DaemonThreadPool(1, 'x').run(lambda: (begun.set(), threading.Event().wait())); begun.wait()"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=PATIENCE, check=False).returncode == 0


def test_one_that_is_given_up_is_replaced_and_ends_when_it_returns() -> None:
    threads, gate = DaemonThreadPool(1, "test"), threading.Event()
    stuck = threads.run(lambda: (gate.wait(PATIENCE), threading.current_thread())[1])
    second: Future[str] = threads.run(lambda: "second")
    while not stuck.running():
        pass
    threads.give_up(stuck)
    assert second.result(PATIENCE) == "second"
    gate.set()
    lost = stuck.result(PATIENCE)
    lost.join(PATIENCE)
    assert not lost.is_alive()
    assert threads.alive == 1
    assert threads.run(lambda: "third").result(PATIENCE) == "third"
    threads.stop()


def test_one_that_has_not_begun_never_does_when_it_is_given_up() -> None:
    threads, gate, done = DaemonThreadPool(1, "test"), threading.Event(), list[str]()
    first = threads.run(lambda: gate.wait(PATIENCE))
    second = threads.run(lambda: done.append("second"))
    threads.give_up(second)
    gate.set()
    assert first.result(PATIENCE)
    threads.run(lambda: None).result(PATIENCE)
    assert second.cancelled()
    assert done == []
    threads.stop()


def test_stopping_cancels_what_waits_ends_the_threads_and_takes_nothing_more() -> None:
    threads, gate = DaemonThreadPool(1, "test"), threading.Event()
    first = threads.run(lambda: (gate.wait(PATIENCE), threading.current_thread())[1])
    second = threads.run(lambda: "second")
    while not first.running():
        pass
    threads.stop()
    assert second.cancelled()
    assert threads.run(lambda: "third").cancelled()
    gate.set()
    thread = first.result(PATIENCE)
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert threads.alive == 0
