import pytest

from voicestt.recognisers.google.model_choice import choose_model


@pytest.mark.parametrize("asked", ["he-IL", "he", "iw", "iw-IL", "HE-il"])
def test_hebrew_is_sent_by_googles_own_code(asked: str) -> None:
    assert choose_model("default", asked).language == "iw-IL"


@pytest.mark.parametrize("model", ["phone_call", "latest_long", "latest_short", "telephony", "video"])
def test_a_model_that_google_refuses_with_hebrew_becomes_default(model: str) -> None:
    choice = choose_model(model, "he-IL")
    assert (choice.language, choice.model, choice.asked_model, choice.changed) == ("iw-IL", "default", model, True)


@pytest.mark.parametrize("model", ["default", "command_and_search"])
def test_a_model_that_google_has_for_hebrew_stays(model: str) -> None:
    choice = choose_model(model, "he-IL")
    assert (choice.model, choice.changed) == (model, False)


@pytest.mark.parametrize("language", ["en-US", "de-DE", "ar-IL", "cmn-Hans-CN"])
def test_other_languages_are_left_alone(language: str) -> None:
    choice = choose_model("phone_call", language)
    assert (choice.language, choice.model, choice.changed) == (language, "phone_call", False)


@pytest.mark.parametrize("model", ["phone_call", "telephony", "long", "default", "chirp_2", "chirp_3"])
def test_v2_has_one_model_for_hebrew(model: str) -> None:
    choice = choose_model(model, "he-IL", "v2")
    assert (choice.language, choice.model, choice.changed) == ("iw-IL", "chirp_3", model != "chirp_3")


@pytest.mark.parametrize(
    ("model", "used"),
    [
        ("phone_call", "telephony"),
        ("default", "long"),
        ("telephony", "telephony"),
        ("chirp_3", "chirp_3"),
        ("mine", "mine"),
    ],
)
def test_v2_has_other_names_for_what_v1_calls_otherwise(model: str, used: str) -> None:
    choice = choose_model(model, "en-US", "v2")
    assert (choice.language, choice.model, choice.changed) == ("en-US", used, model != used)
