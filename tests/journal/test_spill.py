import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.journal.made import CALLER, Call
from voicestt.events import encode
from voicestt.journal.payloads import redaction
from voicestt.journal.spill import (
    Place,
    Spill,
    SpillFile,
    SpillFull,
)


def spill_in(folder: Path, redact: str = "none", most: int = 1_000_000) -> Spill:
    return Spill(Place(folder, "calls[1]*.db"), redaction(redact), most)


def read(file: SpillFile) -> list[bytes]:
    return [encode(event) for bunch in file.bunches() for event in bunch]


def left_in(folder: Path) -> list[SpillFile]:
    return list(spill_in(folder).left())


def test_what_a_process_left_is_read_in_order_by_another_and_removed(tmp_path: Path) -> None:
    call, spill = Call(), spill_in(tmp_path)
    events = [call.started(), *(call.final(f"{number}") for number in range(1_200)), call.ended()]
    spill.write(events[:700])
    spill.write(events[700:])
    assert (spill.count, stat.S_IMODE(spill.path.stat().st_mode)) == (1_202, 0o600)
    assert left_in(tmp_path) == []  # it lives
    spill.close()
    (left,) = left_in(tmp_path)
    assert read(left) == [encode(event) for event in events]
    assert left.path.name == f"calls[1]*.db.spill-{left.owner}.jsonl"
    left.remove()
    left.close()
    assert list(tmp_path.iterdir()) == []


def test_two_do_not_read_the_same_file(tmp_path: Path) -> None:
    spill = spill_in(tmp_path)
    spill.write([Call().started()])
    spill.close()
    (left,) = left_in(tmp_path)
    assert left_in(tmp_path) == []
    left.close()
    (again,) = left_in(tmp_path)
    again.close()


def test_the_files_of_another_journal_are_left_alone(tmp_path: Path) -> None:
    other = Spill(Place(tmp_path, "calls1.db"), redaction("none"))
    other.write([Call().started()])
    other.close()
    assert left_in(tmp_path) == []


def test_one_s_own_is_read_too_and_what_follows_has_a_new_file(tmp_path: Path) -> None:
    call, spill = Call(), spill_in(tmp_path)
    assert spill.own() is None
    first, second = call.started(), call.final()
    spill.write([first])
    own = spill.own()
    assert own is not None
    spill.write([second])
    assert (own.path != spill.path, spill.count) == (True, 1)
    assert read(own) == [encode(first)]
    own.close()
    spill.close()


def test_what_is_to_be_kept_out_of_the_journal_is_not_in_it_either(tmp_path: Path) -> None:
    call, spill = Call(), spill_in(tmp_path, "all")
    spill.write([call.started(), call.final("a secret")])
    text = spill.path.read_text()
    spill.close()
    assert "a secret" not in text
    assert CALLER not in text


def test_it_is_bounded_with_those_of_others_and_partials_go_first(tmp_path: Path) -> None:
    call, gone = Call(), spill_in(tmp_path, most=20_000)
    gone.write([call.final("x" * 11_000)])
    gone.close()
    spill = spill_in(tmp_path, most=20_000)
    spill.write([call.partial(), call.final("kept")])
    assert (spill.count, spill.left_out) == (1, 1)
    size = spill.path.stat().st_size
    with pytest.raises(SpillFull):
        spill.write([call.final("x" * 9_000)])
    assert spill.path.stat().st_size == size
    spill.write([call.final("and this")])
    spill.close()


def test_a_line_that_is_there_in_part_was_never_told_of(tmp_path: Path) -> None:
    call, spill = Call(), spill_in(tmp_path)
    event = call.started()
    spill.write([event])
    spill.close()
    with spill.path.open("ab") as file:
        file.write(encode(call.final())[:40])
    (left,) = left_in(tmp_path)
    assert (read(left), left.bad) == ([encode(event)], 0)
    left.close()


def test_a_file_with_lines_that_are_no_events_is_kept_for_somebody_to_look(tmp_path: Path) -> None:
    call, spill = Call(), spill_in(tmp_path)
    one, two = call.started(), call.final()
    spill.write([one, two])
    spill.close()
    lines = spill.path.read_bytes().splitlines(keepends=True)
    spill.path.write_bytes(lines[0] + b'{"type":"of the future"}\n' + lines[1])
    (left,) = left_in(tmp_path)
    assert (read(left), left.bad) == ([encode(one), encode(two)], 1)
    left.remove()
    left.close()
    assert [path.name for path in tmp_path.iterdir()] == [left.unread.name]
    assert left_in(tmp_path) == []


@given(st.binary(max_size=300))
def test_whatever_is_in_a_file_is_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("any")
    Place(folder, "calls[1]*.db").path("somebody").write_bytes(data)
    (left,) = left_in(folder)
    read(left)
    left.close()


def test_a_disk_that_is_full_spoils_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call, spill = Call(), spill_in(tmp_path)
    first, second, third = call.started(), call.final(), call.final()
    spill.write([first])
    true_write = os.write

    def full(file: int, data: bytes) -> int:
        if len(data) < 50:
            raise OSError(28, "No space left on device")
        return true_write(file, data[: len(data) - 40])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"):
            spill.write([second])
    spill.write([second, third])
    spill.close()
    (left,) = left_in(tmp_path)
    assert read(left) == [encode(event) for event in (first, second, third)]
    left.close()
