from tests.bench import micro
from voicestt.ops.load.raw_call import TEXT, masked


def test_every_part_has_a_figure_and_those_with_a_plain_way_a_ratio() -> None:
    headings, *rows = micro.main(0.01)
    assert headings.split()[-2:] == ["ns", "beside"]
    assert len(rows) == len(micro.PARTS)
    assert sum(" of " in row for row in rows) == len(rows) - 1


def test_the_whole_path_reaches_the_recogniser() -> None:
    call = micro.live_call()
    for _ in range(15):
        call.live.media((micro.ONE,))
    assert b"".join(call.written) == micro.ROUND
    call.written.clear()
    call.protocol.dataReceived(masked(TEXT, micro.MESSAGE) * 15)
    assert b"".join(call.written) == micro.ROUND
    call.feed(masked(TEXT, micro.MESSAGE) * 15)
    assert call.written == []
