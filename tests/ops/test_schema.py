import json
from importlib.resources import files

from click.testing import CliRunner

from voicestt.ops.schema import events_schema


def test_the_schema_in_the_package_is_the_one_that_the_code_makes() -> None:
    printed = CliRunner().invoke(events_schema).output
    assert files("voicestt").joinpath("events.schema.json").read_text("utf-8") == printed
    assert json.loads(printed)["$schema"].endswith("2020-12/schema")
