from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.recording.made import BEGAN, SECOND, played, sound, tone
from voicestt.audio import mulaw
from voicestt.recording.audio_file import PARTIAL, RecordingFile, repair
from voicestt.recording.timeline import CALLER, OURS, Piece
from voicestt.recording.wav import HEADER_BYTES, BadRecording, WavHeader, read_header

PIECES = st.lists(
    st.builds(Piece, st.sampled_from([CALLER, OURS]), st.integers(0, 3_000), st.binary(min_size=1, max_size=400)),
    min_size=1,
    max_size=6,
)


def silence_and(tracks: int, groups: Sequence[Sequence[Piece]]) -> list[bytes]:
    """Each track as it must be, by the simplest of means."""
    end = max(piece.start + len(piece.audio) for pieces in groups for piece in pieces)
    channels = [bytearray(mulaw.SILENCE * end) for _ in range(tracks)]
    for pieces in groups:
        for piece in pieces:
            channels[piece.track][piece.start : piece.start + len(piece.audio)] = piece.audio
    return [bytes(channel) for channel in channels]


@settings(max_examples=60)
@given(st.lists(PIECES, min_size=1, max_size=4))
def test_every_piece_is_in_its_place_and_the_file_plays_after_every_write(groups: list[list[Piece]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "day" / "one.wav"
        file = RecordingFile(path, 2, BEGAN)
        partial = path.with_name(path.name + PARTIAL)
        for count, pieces in enumerate(groups, 1):
            file.write(pieces)
            now = partial.read_bytes()
            assert (played(now) == sound(*silence_and(2, groups[:count]))).all()
        file.finish()
        assert (played(path) == sound(*silence_and(2, groups))).all()
        assert not partial.exists()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700


@settings(max_examples=60)
@given(st.integers(0, 900), st.sampled_from([1, 2]), st.integers(0, 700))
def test_a_file_cut_anywhere_is_repaired_to_what_is_in_it(cut: int, tracks: int, said: int) -> None:
    """The killed process had written `cut` bytes of its audio, and its header was of any earlier moment."""
    with TemporaryDirectory() as folder:
        whole, partial = Path(folder) / "one.wav", Path(folder) / ("one.wav" + PARTIAL)
        audio = tone(900)
        partial.write_bytes(WavHeader(tracks, said, BEGAN).encode() + audio[:cut])
        repaired = repair(partial)
        frames = cut // tracks
        if not cut:
            assert repaired is None
            assert not partial.exists()
            return
        assert repaired == whole
        found = played(whole)
        channels = [audio[: frames * tracks][track::tracks] for track in range(tracks)]
        assert (found[:frames] == sound(*channels)).all()
        assert len(found) - frames == (frames % 2 if tracks == 1 else 0)  # RIFF counts in words
        assert read_header(whole.read_bytes(), whole.stat().st_size).began == BEGAN


def test_a_file_whose_writer_lives_is_left_alone(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "one.wav", 1, BEGAN)
    file.write([Piece(CALLER, 0, tone(160))])
    partial = tmp_path / ("one.wav" + PARTIAL)
    assert repair(partial) is None
    assert partial.exists()
    file.close()  # as the system does for a killed process
    assert repair(partial) == tmp_path / "one.wav"


def test_what_is_no_recording_stays_and_is_said(tmp_path: Path) -> None:
    strange = tmp_path / ("one.wav" + PARTIAL)
    strange.write_bytes(b"x" * 500)
    with pytest.raises(BadRecording):
        repair(strange)
    assert strange.read_bytes() == b"x" * 500


def test_ten_minutes_on_hold_are_silence(tmp_path: Path) -> None:
    path, long = tmp_path / "one.wav", 600 * SECOND
    file = RecordingFile(path, 2, BEGAN)
    file.write([Piece(CALLER, 0, tone(160))])
    file.write([Piece(CALLER, long, tone(160))])
    file.finish()
    data = path.read_bytes()[HEADER_BYTES:]
    assert len(data) == 2 * (long + 160)
    assert data[320 : 2 * long] == mulaw.SILENCE * (2 * long - 320)


def test_a_recording_that_was_erased_while_it_was_written_stays_erased(tmp_path: Path) -> None:
    file = RecordingFile(tmp_path / "one.wav", 1, BEGAN)
    file.write([Piece(CALLER, 0, tone(160))])
    (tmp_path / ("one.wav" + PARTIAL)).unlink()
    file.write([Piece(CALLER, 160, tone(160))])
    file.finish()
    assert list(tmp_path.iterdir()) == []
