import pytest

from voicestt.ops.gonogo.development_hosts import why_not_public


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "myserver",
        "server.local",
        "app.internal",
        "127.0.0.1",
        "10.1.2.3:8443",
        "192.168.0.4",
        "8.8.8.8",
        "[::1]:443",
        "1a2b-3c.picard.replit.dev",
        "proj.user.repl.co",
        "abcd.ngrok.io",
        "ABCD.ngrok-free.app",
        "quiet-tree.trycloudflare.com",
        "x.loca.lt",
        "user-5000.app.github.dev",
        "voice.example.com",
        "demo.example",
        "voice.test",
    ],
)
def test_no_live_number_may_depend_on_it(host: str) -> None:
    assert why_not_public(host)


@pytest.mark.parametrize(
    "host",
    [
        "voice.shop.co.il",
        "voice.shop.co.il:8443",
        "voice.replit.app",
        "my-app.herokuapp.com",
        "ngrok.shop.com",
        "notngrok.io.shop.com",
        "localhost.shop.com",
        "latest.dev",
    ],
)
def test_a_name_of_ones_own_is_fine(host: str) -> None:
    assert why_not_public(host) is None


def test_it_says_why() -> None:
    assert "tunnel" in (why_not_public("x.ngrok.app") or "")
    assert "development machine" in (why_not_public("x.replit.dev") or "")
