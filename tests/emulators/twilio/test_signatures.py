from importlib import import_module

from hypothesis import given
from hypothesis import strategies as st

from voicestt.emulators.twilio.signatures import signature, signed_headers

RequestValidator = import_module("twilio.request_validator").RequestValidator  # has no types
URL = "https://demo.example/webhook/incoming_call"


@given(form=st.dictionaries(st.text(min_size=1), st.text()), token=st.text(min_size=1))
def test_twilios_own_library_computes_the_same(form: dict[str, str], token: str) -> None:
    assert signature(token, URL, form) == RequestValidator(token).compute_signature(URL, form)


def test_a_socket_is_signed_over_its_url_alone() -> None:
    url = "wss://demo.example/ws/twilio-media"
    assert signature("token", url) == RequestValidator("token").compute_signature(url, {})


def test_without_a_token_there_is_no_header() -> None:
    assert signed_headers(None, URL) == {}
    assert list(signed_headers("token", URL)) == ["X-Twilio-Signature"]
