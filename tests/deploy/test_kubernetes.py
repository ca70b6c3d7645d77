"""The Kubernetes files: valid by the published schemas, and fitting each other and the server's settings."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from voicestt.config.settings import Settings, variables
from voicestt.twilio import twiml

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
VERSIONS = ("1.32", "1.37")


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def pod() -> dict[str, Any]:
    found: dict[str, Any] = read("deployment")["spec"]["template"]["spec"]
    return found


def container() -> dict[str, Any]:
    (found,) = pod()["containers"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_each_file_fits_the_published_schema(file: Path, version: str) -> None:
    kubernetes_validate.validate(yaml.safe_load(file.read_text()), version, strict=True)


def test_everything_that_a_deployment_needs_is_there() -> None:
    assert {yaml.safe_load(file.read_text())["kind"] for file in FILES} == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "PodDisruptionBudget",
        "Service",
    }


def test_a_pod_is_killed_only_when_its_calls_have_had_all_their_time() -> None:
    pause = container()["lifecycle"]["preStop"]["sleep"]["seconds"]
    drained = float(read("configmap")["data"]["SHUTDOWN_SECONDS"])
    assert pod()["terminationGracePeriodSeconds"] >= pause + drained + 30


def test_a_pod_that_goes_away_is_not_taken_for_dead() -> None:
    assert container()["livenessProbe"]["httpGet"]["path"] == twiml.HEALTH
    assert container()["readinessProbe"]["httpGet"]["path"] == twiml.READY
    assert container()["startupProbe"]["httpGet"]["path"] == twiml.HEALTH


def test_all_parts_mean_the_same_pods() -> None:
    labels = read("deployment")["spec"]["template"]["metadata"]["labels"]
    assert read("deployment")["spec"]["selector"]["matchLabels"] == labels
    assert read("service")["spec"]["selector"] == labels
    assert read("disruption")["spec"]["selector"]["matchLabels"] == labels
    target = read("autoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", read("deployment")["metadata"]["name"])
    (rule,) = read("ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"]["name"] == read("service")["metadata"]["name"]
    assert rule["host"] == read("configmap")["data"]["PUBLIC_HOST"]


def test_the_pod_is_not_root_and_writes_only_where_it_must() -> None:
    assert pod()["securityContext"]["runAsNonRoot"]
    assert container()["securityContext"]["readOnlyRootFilesystem"]
    dockerfile = (FOLDER.parent / "Dockerfile").read_text()
    assert f"USER {pod()['securityContext']['runAsUser']}:" in dockerfile
    assert {mount["mountPath"] for mount in container()["volumeMounts"]} == {"/tmp", "/var/lib/voicestt"}
    assert "VOLUME /var/lib/voicestt" in dockerfile


def test_the_autoscaler_counts_calls_and_starts_a_pod_before_one_is_full() -> None:
    (metric,) = read("autoscaler")["spec"]["metrics"]
    assert metric["pods"]["metric"]["name"] == "voicestt_calls_live"
    assert int(metric["pods"]["target"]["averageValue"]) < int(read("configmap")["data"]["MAX_CALLS"])


def test_the_settings_are_ones_that_the_server_takes() -> None:
    data = read("configmap")["data"]
    assert set(data) - {variable.name for variable in variables()} == set()
    assert Settings.from_environment(data | {"TWILIO_AUTH_TOKEN": "x"}).shutdown_calls == "move"


def test_no_socket_is_ended_by_the_ingress_before_its_call() -> None:
    annotations = read("ingress")["metadata"]["annotations"]
    seconds = [int(value) for name, value in annotations.items() if re.search("(read|send)-timeout$", name)]
    assert len(seconds) == 2
    assert min(seconds) > 24 * 3_600  # Twilio ends a call then
