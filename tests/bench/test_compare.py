from pathlib import Path

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

from tests.bench import compare


def test_the_same_callers_drive_both_and_the_ratio_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.compare(2, 4.0, rounds=1, together=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["voicestt", "baseline"]
    assert "a ratio of" in lines[3]
    assert lines[4].startswith("voicestt: Every byte of every call arrived once")
    assert lines[5] == "baseline: nothing lost."


def test_the_baseline_serves_whoever_asks(tmp_path: Path) -> None:
    from tests.bench.raw_calls import post
    from voicestt.emulators.twilio import webhook_forms
    from voicestt.emulators.twilio.twilio_messages import Sids
    from voicestt.twilio import twiml

    with compare.baseline_server(tmp_path) as server:
        status, kind, body = post(server.target, server.target.public_url, webhook_forms.incoming_call(Sids()))
    assert (status, body) == (200, twiml.connect_stream("demo.example"))
    assert kind == "text/xml; charset=utf-8"
