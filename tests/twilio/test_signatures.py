import base64
import hashlib
import hmac
import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from tests.server.fakes import TOKEN
from voicestt.emulators.twilio.signatures import signature
from voicestt.twilio.signatures import SignatureCheck

URL = "https://voice.example.com/webhook/incoming_call"
FORM = {"CallSid": ["CA1"], "From": ["+972501234567"], "To": ["+972771234567"], "Digits": [""]}
FLAT = {name: values[0] for name, values in FORM.items()}
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"
BY_TWILIO = RequestValidator(TOKEN)


def accepts(headers: Mapping[str, str], url: str = URL, form: Mapping[str, list[str]] | str | None = None) -> bool:
    named = {name.lower(): value for name, value in headers.items()}
    return SignatureCheck(TOKEN).accepts(url, lambda name: named.get(name.lower()), form)


def signed(url: str, form: Mapping[str, str] | None = None, algorithm: str | None = None) -> dict[str, str]:
    by_twilio = {"X-Twilio-Signature": BY_TWILIO.compute_signature(url, form or {}, algorithm)}
    return by_twilio if algorithm is None else {**by_twilio, SETTINGS: f"key=k1,algorithm={algorithm}"}


def test_twilios_signature_is_accepted() -> None:
    assert accepts(signed(URL, FLAT), form=FORM)


def test_a_signature_computed_without_twilios_library_is_accepted() -> None:
    assert accepts({"X-Twilio-Signature": signature(TOKEN, URL, FLAT)}, form=FORM)


@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
def test_the_settings_header_names_the_algorithm(algorithm: str) -> None:
    assert accepts(signed(URL, FLAT, algorithm), form=FORM)


def test_a_signature_of_another_algorithm_than_named_is_refused() -> None:
    headers = {**signed(URL, FLAT, "HMAC_SHA256"), SETTINGS: "key=k1,algorithm=HMAC_SHA1"}
    assert not accepts(headers, form=FORM)


def test_an_algorithm_that_there_is_none_of_is_refused() -> None:
    assert not accepts({**signed(URL, FLAT), SETTINGS: "key=k1,algorithm=HMAC_MD5"}, form=FORM)


@pytest.mark.parametrize("said", [URL, URL + "/"])
@pytest.mark.parametrize("came", [URL, URL + "/"])
def test_a_slash_at_the_end_makes_no_difference(said: str, came: str) -> None:
    assert accepts(signed(said, FLAT), url=came, form=FORM)


def test_a_query_is_part_of_what_is_signed() -> None:
    assert accepts(signed(URL + "?CallSid=CA1"), url=URL + "?CallSid=CA1")
    assert not accepts(signed(URL + "?CallSid=CA1"), url=URL + "?CallSid=CA2")


def test_a_field_may_have_several_values() -> None:
    form = {"To": ["b", "a", "b"], "CallSid": ["CA1"]}
    by_hand = hmac.digest(TOKEN.encode(), (URL + "CallSidCA1ToaTob").encode(), "sha1")
    assert accepts({"X-Twilio-Signature": base64.b64encode(by_hand).decode()}, form=form)


def test_a_json_body_is_signed_by_its_hash_in_the_query() -> None:
    body = json.dumps({"CallSid": "CA1"})
    url = f"{URL}?bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    assert accepts(signed(url), url=url, form=body)
    assert not accepts(signed(url), url=url, form=body + " ")


def test_a_body_without_its_hash_in_the_url_is_not_covered_by_the_signature() -> None:
    assert not accepts(signed(URL), form='{"CallSid": "CA1"}')


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "x" * 28},
        {"X-Twilio-Signature": "שלום"},
        {"X-Twilio-Signature": signature("another token", URL, FLAT)},
        {"X-Twilio-Signature": signature(TOKEN, URL, {**FLAT, "From": "+972500000000"})},
        {"X-Twilio-Signature": signature(TOKEN, "https://elsewhere.example/webhook/incoming_call", FLAT)},
    ],
)
def test_a_missing_or_wrong_signature_is_refused(headers: dict[str, str]) -> None:
    assert not accepts(headers, form=FORM)


def test_without_a_token_everybody_is_taken_for_twilio() -> None:
    assert SignatureCheck(None).accepts(URL, lambda _name: None)


VALUES = st.dictionaries(st.text(), st.lists(st.text(), min_size=1, max_size=3), max_size=4)


@given(
    signature=st.none() | st.text(),
    settings=st.none() | st.text() | st.text().map(lambda text: f"algorithm={text}"),
    path=st.text(),
    form=st.none() | st.text() | VALUES,
)
def test_whatever_comes_is_refused_without_an_exception(
    signature: str | None, settings: str | None, path: str, form: Mapping[str, list[str]] | str | None
) -> None:
    headers = {"X-Twilio-Signature": signature, SETTINGS: settings}
    url = "https://voice.example.com/" + path
    check = SignatureCheck(TOKEN)
    assert check.accepts(url, lambda name: headers[name], form) is False


@given(path=st.from_regex(r"/[A-Za-z0-9._~/%-]*", fullmatch=True), form=VALUES)
def test_whatever_twilio_signs_is_accepted(path: str, form: dict[str, list[str]]) -> None:
    url = "https://voice.example.com/webhook" + path
    single = {name: values[:1] for name, values in form.items()}
    flat = {name: values[0] for name, values in single.items()}
    assert accepts({"X-Twilio-Signature": signature(TOKEN, url.rstrip("/"), flat)}, url=url, form=single)


@pytest.mark.parametrize("token", ["old", "new", "sub"])
def test_each_of_several_tokens_is_accepted(token: str) -> None:
    check = SignatureCheck("old, new,sub")
    form = {"CallSid": "CA1"}
    given = {"X-Twilio-Signature": signature(token, URL, form)}
    assert check.accepts(URL, given.get, {"CallSid": ["CA1"]})
    other = {"X-Twilio-Signature": signature("old, new,sub", URL, form)}
    assert not check.accepts(URL, other.get, {"CallSid": ["CA1"]})


@pytest.mark.parametrize("host", ["Voice.Example.com", "voice.example.com"])
def test_the_host_is_signed_as_typed_or_in_lower_case(host: str) -> None:
    given = {"X-Twilio-Signature": signature("t", f"https://{host}/Path?A=B")}
    assert SignatureCheck("t").accepts("https://Voice.Example.com/Path?A=B", given.get)


def test_a_sip_callers_get_is_signed_with_bare_colons_and_ats() -> None:
    bare = "https://voice.example.com/webhook/incoming_call?From=sip:a%2Bb@example.com&CallSid=CA1"
    asked = bare.replace("sip:", "sip%3A").replace("@", "%40")
    given = {"X-Twilio-Signature": signature("t", bare)}
    assert SignatureCheck("t").accepts(asked, given.get)
    assert not SignatureCheck("t").accepts(asked.replace("a%2Bb", "other"), given.get)
