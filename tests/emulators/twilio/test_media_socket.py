from voicestt.emulators.twilio.media_socket import as_twilio_asks

AUTOBAHNS = (
    b"GET /ws HTTP/1.1\r\nUser-Agent: Twilio.TmeWs/1.0\r\nHost: 127.0.0.1:5000\r\nUpgrade: WebSocket\r\n"
    b"Connection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nx-twilio-signature: s=\r\n"
    b"Sec-WebSocket-Key: k==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def test_only_twilios_headers_remain_and_the_host_is_the_public_one() -> None:
    assert as_twilio_asks(AUTOBAHNS, "demo.example") == (
        b"GET /ws HTTP/1.1\r\nUser-Agent: Twilio.TmeWs/1.0\r\nHost: demo.example\r\nUpgrade: WebSocket\r\n"
        b"Connection: Upgrade\r\nx-twilio-signature: s=\r\nSec-WebSocket-Key: k==\r\n"
        b"Sec-WebSocket-Version: 13\r\n\r\n"
    )
