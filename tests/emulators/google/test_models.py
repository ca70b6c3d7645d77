import pytest

from voicestt.emulators.google.limits import Code, Refusal
from voicestt.emulators.google.models import V1_MODELS, V2_MODELS, model_of_v1, pair_of_v2

DOES_NOT_EXIST = 'The model "{}" does not exist in the location named "{}".'


def of_v1(model: str, language: str = "en-US") -> str:
    with pytest.raises(Refusal) as caught:
        model_of_v1(model, language)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.details


def of_v2(model: str, code: str = "en-US", location: str = "global") -> str:
    with pytest.raises(Refusal) as caught:
        pair_of_v2(model, code, location)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.details


@pytest.mark.parametrize("model", sorted(V1_MODELS))
def test_v1_has_its_models_for_english(model: str) -> None:
    assert model_of_v1(model, "en-US") == model


@pytest.mark.parametrize("model", ["chirp", "chirp_2", "chirp_3", "long", "short"])
def test_v1_has_not_those_of_v2(model: str) -> None:
    assert of_v1(model).startswith("Invalid recognition 'config': Incorrect model specified.")


@pytest.mark.parametrize("model", sorted(V2_MODELS))
def test_v2_has_its_models_for_english_in_a_region(model: str) -> None:
    assert pair_of_v2(model, "en-US", "us") == (model, "en-US")


@pytest.mark.parametrize("model", ["default", "phone_call", "command_and_search", "video", ""])
def test_v2_has_not_those_of_v1(model: str) -> None:
    assert of_v2(model) == DOES_NOT_EXIST.format(model, "global")


@pytest.mark.parametrize("model", ["chirp", "chirp_2", "chirp_3"])
def test_chirp_is_in_regions_only(model: str) -> None:
    assert of_v2(model) == DOES_NOT_EXIST.format(model, "global")


def test_medical_models_hear_american_english_only() -> None:
    assert "not supported for language : en-GB" in of_v1("medical_dictation", "en-GB")
    assert of_v2("medical_conversation", "fr-FR") == (
        'The language "fr-FR" is not supported by the model "medical_conversation" in the location named "global".'
    )


def test_hebrew_has_one_model_of_v2() -> None:
    assert pair_of_v2("chirp_3", "he-IL", "eu") == ("chirp_3", "iw-IL")
    assert '"iw-IL" is not supported by the model "latest_long"' in of_v2("latest_long", "he-IL")


def test_any_language_is_for_models_that_detect_it() -> None:
    assert pair_of_v2("chirp_2", "auto", "us-central1") == ("chirp_2", "en-US")
    assert 'The language "auto" is not supported by the model "long"' in of_v2("long", "auto")
