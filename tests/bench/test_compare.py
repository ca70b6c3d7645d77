from pathlib import Path

import pytest

pytest.importorskip("uvicorn")

from tests.bench import compare


def test_the_same_callers_drive_all_and_the_ratios_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.compare(2, 4.0, rounds=1, together=False)
    lines = capsys.readouterr().out.splitlines()
    names = list(compare.servers())
    assert [line.split()[0] for line in lines[1 : 1 + len(names)]] == names
    ratios = [line for line in lines if "a ratio of" in line]
    assert [f"ms of {name}" in line for name, line in zip(names[1:], ratios, strict=True)] == [True] * len(ratios)
    assert ("Node is not compared" in "\n".join(lines)) != compare.has_node()
    assert any(line.startswith("voicestt: Every byte of every call arrived once") for line in lines)
    assert [line for line in lines if line.endswith(": nothing lost.")] == [
        f"{name}: nothing lost." for name in names[1:]
    ]


@pytest.mark.parametrize("name", ["baseline", "node"])
def test_the_others_serve_whoever_asks(name: str, tmp_path: Path) -> None:
    from tests.bench.raw_calls import post
    from voicestt.emulators.twilio import webhook_forms
    from voicestt.emulators.twilio.twilio_messages import Sids
    from voicestt.twilio import twiml

    if name not in compare.servers():
        pytest.skip("Node's packages are not installed")
    with compare.servers()[name](tmp_path) as server:
        status, kind, body = post(server.target, server.target.public_url, webhook_forms.incoming_call(Sids()))
    assert (status, body) == (200, twiml.connect_stream("demo.example"))
    assert kind == "text/xml; charset=utf-8"
