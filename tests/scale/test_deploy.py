"""The examples in ``deploy/`` name what there is."""

import shlex
from pathlib import Path

import pytest
import yaml

pytest.importorskip("ray")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, when it is imported

DEPLOY = Path(__file__).parents[2] / "deploy"


def read(name):
    return yaml.safe_load((DEPLOY / name).read_text())


def test_the_application_can_be_made():
    from offramp.scale import Application

    (application,) = yaml.safe_load(read("ray-serve.yaml")["spec"]["serveConfigV2"])["applications"]
    module, name = application["import_path"].split(":")
    assert (module, name) == ("offramp.scale", "app")
    assert Application.model_validate(application["args"]).settings.timeout_ms == 2000


@pytest.mark.parametrize("name", ["ray-serve.yaml", "ray-job.yaml"])
def test_images_have_the_version_of_ray_that_is_tested(name):
    import ray

    spec = read(name)["spec"]
    assert (spec.get("rayClusterConfig") or spec["rayClusterSpec"])["rayVersion"] == ray.__version__


def test_the_job_is_a_command_that_exists():
    words = shlex.split(read("ray-job.yaml")["spec"]["entrypoint"])
    assert words[:2] == ["offramp", "predict"]
    import typer.main

    from offramp.cli.app import app as command_line

    options = {flag for one in typer.main.get_command(command_line).commands["predict"].params for flag in one.opts}
    assert {word for word in words if word.startswith("--")} <= options
