"""The files of deploy/prometheus and deploy/grafana: valid, and each alert with its chapter."""

import json
import re
from pathlib import Path

import pytest

from tests.prometheus import promtool

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
CHAPTERS = ROOT / "docs" / "alerts.md"


def alerts() -> list[str]:
    return re.findall(r"^ +- alert: (\w+)$", ALERTS.read_text(), re.MULTILINE)


def chapter(alert: str) -> str:
    """The text of an alert's chapter."""
    found = re.search(rf"^### {alert}\n(.*?)(?=^##|\Z)", CHAPTERS.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/alerts.md has no chapter about {alert}"
    return found[1]


def test_the_rules_and_the_example_are_valid() -> None:
    assert "SUCCESS" in promtool("check", "rules", str(ALERTS))
    promtool("check", "config", "--syntax-only", str(ALERTS.with_name("prometheus.yml")))


def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    cases = Path(__file__).with_name("alerts_test.yml").read_text()
    (tmp_path / "cases.yml").write_text(f"rule_files: [{ALERTS}]\n{cases}")
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "cases.yml"))


@pytest.mark.parametrize("alert", alerts())
def test_each_alert_has_a_chapter_that_says_what_it_means_and_what_to_do(alert: str) -> None:
    text = chapter(alert)
    assert "**What it means.**" in text
    assert "**What to do.**" in text


def test_each_alert_points_to_its_chapter_and_no_chapter_is_left_over() -> None:
    anchors = re.findall(r"runbook_url: docs/alerts\.md#(\w+)$", ALERTS.read_text(), re.MULTILINE)
    assert anchors == [alert.lower() for alert in alerts()]
    assert re.findall(r"^### (\w+)$", CHAPTERS.read_text(), re.MULTILINE) == alerts()


def test_each_alert_says_how_urgent_it_is_and_for_whom() -> None:
    rules = ALERTS.read_text().split("- alert: ")[1:]
    for rule in rules:
        assert re.search(r"severity: (page|ticket)$", rule, re.MULTILINE), rule
        assert "summary: " in rule
        assert "description: " in rule


def test_the_dashboard_has_panels_of_which_none_lies_upon_another() -> None:
    board = json.loads((ROOT / "deploy" / "grafana" / "voicestt.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        places = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert taken.isdisjoint(places), panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= places
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
