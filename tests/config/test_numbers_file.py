"""The file of numbers: which table holds for a call, and everything that is wrong with one at once."""

import contextlib
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicestt.config.call_plan import NO_PLAN, CallProfile
from voicestt.config.hints import Hint
from voicestt.config.numbers_file import BadNumbers, load_numbers, parse_numbers
from voicestt.config.recognition_options import RecognitionOptions

FILE = """
[classes]
dishes = ["חוּמוּס", "פלאפל"]

[profile.english]
language = "en-US"

["+97231234567"]
language = "he-IL"
model = "default"
punctuation = false
hints = ["אני רוצה ${dishes}", { phrase = "Shure", boost = 15 }]
greeting = "off"
handler = "restaurant:Order"
busy = "+972 50 123 4567"
recording = false
profiles = ["english"]

["+9723*"]
language = "ar-IL"

["+972*"]
language = "ru-RU"

["*"]
max_alternatives = 3
"""


@pytest.mark.parametrize(
    ("called", "language"),
    [
        ("+97231234567", "he-IL"),
        ("+972-3-123-4567", "he-IL"),
        ("+97239999999", "ar-IL"),
        ("+972501234567", "ru-RU"),
        ("+15005550006", None),
        (None, None),
    ],
)
def test_the_number_itself_wins_and_then_the_longest_pattern(called: str | None, language: str | None) -> None:
    assert parse_numbers(FILE).plan_of(called).options.language == language


def test_a_star_alone_is_also_for_a_number_that_is_not_known() -> None:
    assert parse_numbers(FILE).plan_of(None).options == RecognitionOptions(max_alternatives=3)
    assert parse_numbers('["+1*"]\nlanguage = "en-US"\n').plan_of(None) is NO_PLAN


def test_a_table_says_all_that_may_differ() -> None:
    plan = parse_numbers(FILE).plan_of("+97231234567")
    assert plan.options.punctuation is False
    assert plan.options.hints is not None
    assert plan.options.hints.phrases == (Hint("אני רוצה ${dishes}"), Hint("Shure", 15.0))
    assert plan.options.hints.classes[0].items == ("חומוס", "פלאפל")
    assert (plan.greeting, plan.handler) == ("off", "restaurant:Order")
    assert plan.busy == "+972501234567"
    assert plan.recording is False
    assert plan.lines["language"] == 9


def test_a_profile_can_be_chosen_only_where_the_number_allows_it() -> None:
    file = parse_numbers(FILE)
    assert file.chosen("+97231234567", "english") == CallProfile(RecognitionOptions(language="en-US"))
    assert file.chosen("+97239999999", "english") is None
    assert file.chosen("+97231234567", "french") is None


def test_no_number_is_in_what_may_be_logged() -> None:
    plan = parse_numbers(FILE).plan_of("+97231234567")
    assert "1234567" not in repr(plan)
    with pytest.raises(BadNumbers) as bad:
        parse_numbers('["+97231234567"]\nlangauge = 1\n["+972-3-1234567"]\n')
    assert "1234567" not in str(bad.value)


@pytest.mark.parametrize(
    "second", ['["+97231234567"]', "['+97231234567']", '["+97231234567".more]\n["+97231234567"]']
)
def test_a_number_that_has_two_tables_is_not_in_what_may_be_logged_either(second: str) -> None:
    with pytest.raises(BadNumbers) as bad:
        parse_numbers(f'["+97231234567"]\nlanguage = "he-IL"\n{second}\n')
    assert "1234567" not in str(bad.value)
    assert re.search(r"it is no TOML: .*the same table.* \(at line \d", str(bad.value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('["+1"]\nlangauge = "he-IL"', "line 2: langauge is no key of the file: did you mean language?"),
        ('["+1".callee]\nlangauge = "he-IL"', "line 2: langauge is no key of the file: did you mean language?"),
        ('["+1"]\ncallee = 1', "line 2: this key is no table"),
        ('["+1"]\ncallee = { greeting = "hi" }', "line 2: greeting is no key of the file"),
        ('[profile.a.callee]\nlanguage = 1', "line 2: language is no BCP-47 code such as he-IL"),
        ('["+1"]\nlanguage = "Hebrew!"', "line 2: language is no BCP-47 code such as he-IL"),
        ('["+1"]\nlanguage = 7', "line 2: language is no BCP-47 code such as he-IL"),
        ('["+1"]\nmodel = "a b"', "line 2: model is no model's name such as default"),
        ('["+1"]\nspeakers = [3, 2]', "line 2: speakers is not two whole numbers"),
        ('["+1"]\nalternative_languages = ["a1", "en", "he", "ar"]', "line 2: alternative_languages is no list"),
        ('["+1"]\nmax_alternatives = 31', "line 2: max_alternatives is no whole number from 1 to 30"),
        ('["+1"]\nspeech_end_timeout = 61', "line 2: speech_end_timeout is no number of seconds from 0 to 60"),
        ('["+1"]\nendpointing = "soon"', "line 2: endpointing is not one of: standard, short, supershort"),
        ('["+1"]\ndenoise = "yes"', "line 2: denoise is neither true nor false"),
        ('["+1"]\nhandler = "module"', "line 2: handler is not package.module:Name"),
        ('["+1"]\nbusy = "+0 1"', "line 2: busy looks like a telephone number"),
        ('["+1"]\ngreeting = 3', "line 2: greeting is no text"),
        ('["+1"]\nrecording = "no"', "line 2: recording is neither true nor false"),
        ('["+1"]\n\nhints_file = "/nowhere"', "line 3: hints_file: the file of hints /nowhere is not there"),
        ('["+1"]\nhints = "Shure"', "line 2: hints: hints are a list of phrases"),
        ('["+1"]\nprofiles = ["englsh"]\n[profile.english]', "line 2: profiles: there is no [profile.englsh]"),
        ('["+1"]\nprofiles = "english"', "line 2: profiles is no list of names"),
        ('[profile.english]\ngreeting = "off"', "line 2: greeting is no key of the file"),
        ('[profile."a b"]\nlanguage = "en"', "line 1: a profile's name is letters, digits, - and _"),
        ('[profil]\nx = 1', 'line 1: a table is a number ["+97231234567"], a pattern'),
        ('["12 apples"]\nlanguage = "en"', "line 1: a table is a number"),
        ('["+12"]\n["+1 2"]\n', "line 2: this number or pattern has a table already"),
        ('[classes]\nBad = 3', "line 2: the class 'Bad' must have a name"),
        ('"*" = 3', "line 1: this key is no table"),
        ('["+1"\n', "it is no TOML: "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(BadNumbers) as bad:
        parse_numbers(text)
    assert bad.value.problems[0].startswith(problem)


def test_all_problems_are_said_at_once_in_the_order_of_their_lines() -> None:
    with pytest.raises(BadNumbers) as bad:
        parse_numbers('["+12"]\nlanguage = 1\nmodell = "x"\n["+13"]\nbusy = "+9"\nhints = [1, "${x}"]\n')
    assert [problem.partition(":")[0] for problem in bad.value.problems] == [
        "line 2", "line 3", "line 5", "line 6", "line 6",
    ]  # fmt: skip


@given(st.text())
@example('["*"]\nhints = [[[]]]')
@example("profile = 3\nclasses = 4")
@example("profile.x = 3")
def test_no_text_breaks_it(text: str) -> None:
    with contextlib.suppress(BadNumbers):
        parse_numbers(text)


_VALUES = st.recursive(
    st.text(max_size=8) | st.integers() | st.booleans() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from(["language", "speakers", "hints", "profiles", "busy", "snr_threshold"]), value=_VALUES)
def test_no_value_breaks_it(key: str, value: object) -> None:
    written = repr(value).replace("True", "true").replace("False", "false")
    with contextlib.suppress(BadNumbers):
        parse_numbers(f'["*"]\n{key} = {written}\n')


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(BadNumbers, match="there is no such file"):
        load_numbers(str(tmp_path / "numbers.toml"))
    (tmp_path / "numbers.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadNumbers, match="no text that can be read"):
        load_numbers(str(tmp_path / "numbers.toml"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"crm"', ("webhook:crm",)),
        ('["webhook", "crm", "webhook:b"]', ("webhook", "webhook:crm", "webhook:b")),
        ("false", ()),
    ],
)
def test_a_number_chooses_its_receivers(text: str, names: tuple[str, ...]) -> None:
    assert parse_numbers(f'["+12"]\nwebhook = {text}\n').plan_of("+12").webhook == names


@pytest.mark.parametrize("text", ["true", "[]", '""', "7", '["crm", 7]', "{ name = 'crm' }"])
def test_what_chooses_no_receivers_is_a_problem_with_its_line(text: str) -> None:
    with pytest.raises(BadNumbers) as bad:
        parse_numbers(f'["+12"]\nwebhook = {text}\n')
    assert bad.value.problems == ("line 2: webhook is no receiver's name, no list of names, and not false",)


CALLEES = """
[profile.agents]
language = "en-US"
[profile.agents.callee]
language = "ru-RU"

["*"]
language = "he-IL"
callee = { language = "ar-IL", hints = ["Shure"] }
profiles = ["agents"]
"""


def test_the_callee_s_options_are_over_the_caller_s() -> None:
    plan = parse_numbers(CALLEES).plan_of(None)
    caller, callee = plan.options_with(CallProfile())
    assert caller == RecognitionOptions(language="he-IL")
    assert callee.language == "ar-IL"
    assert callee.hints is not None
    same = parse_numbers('["*"]\nlanguage = "he-IL"\n').plan_of(None).options_with(CallProfile())
    assert same[0] == same[1]


def test_a_profile_s_callee_wins_over_the_number_s() -> None:
    file = parse_numbers(CALLEES)
    profile = file.chosen(None, "agents")
    assert profile is not None
    caller, callee = file.plan_of(None).options_with(profile)
    assert (caller.language, callee.language) == ("en-US", "ru-RU")
    assert callee.hints is not None


def test_all_that_may_be_asked_for_is_listed_with_its_place() -> None:
    wanted = [(place, options.language) for place, options in parse_numbers(CALLEES).wanted()]
    assert wanted == [
        ("line 7", "he-IL"),
        ("line 7, callee", "ar-IL"),
        ("[profile.agents]", "en-US"),
        ("[profile.agents], callee", "ru-RU"),
    ]
