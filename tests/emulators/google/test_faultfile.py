import os
from pathlib import Path

import pytest

from voicestt.emulators.google.faultfile import FaultFile
from voicestt.emulators.google.faultlines import BadFaults
from voicestt.emulators.google.faults import Faults, Method


def count(faults: Faults) -> int:
    return len(faults.of_new_call(1, Method.STREAMING))


def write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


def test_the_file_is_read_when_it_changes(tmp_path: Path) -> None:
    path, faults, complaints = tmp_path / "faults", Faults(), list[str]()
    file = FaultFile(path, faults, complaints.append)
    assert not file.refresh()
    write(path, "all: hang")
    assert file.refresh()
    assert not file.refresh()
    assert count(faults) == 1
    write(path, "all: nonsense")
    assert not file.refresh()
    assert not file.refresh()
    assert count(faults) == 1
    assert len(complaints) == 1
    assert "line 1: 'nonsense' is no fault" in complaints[0]
    path.unlink()
    assert file.refresh()
    assert count(faults) == 0


def test_a_bad_file_is_no_start(tmp_path: Path) -> None:
    path = tmp_path / "faults"
    path.write_text("all: nonsense")
    with pytest.raises(BadFaults):
        FaultFile(path, Faults(), print)
