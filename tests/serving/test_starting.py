"""The verb: a classifier in memory is served as a folder is."""

import pytest

import offramp
from helpers.keywords import Keywords
from helpers.serving_models import TEXTS, classifier_of
from offramp.errors import OptionError
from offramp.serving import Settings, run

QUIET = {"port": 0, "warm_up_seconds": 0.0}


@pytest.fixture
def services(monkeypatch):
    """What would be served; it is stopped at once."""
    found = []

    def stop(service, keys, on_ready, listening):
        found.append(service)
        service.core.stop()

    monkeypatch.setattr(run, "run_server", stop)
    return found


def test_a_classifier_in_memory_is_served(services):
    classifier = classifier_of().with_first(Keywords())
    offramp.serve(classifier, Settings(**QUIET), threshold=0.8)
    (service,) = services
    assert service.name == "bert"
    assert service.core.classifier is classifier
    offramp.serve(classifier, Settings(**QUIET, token_budget=99))
    assert services[1].core.classifier.token_budget == 99
    assert services[1].core.classifier.predict(TEXTS).labels == classifier.predict(TEXTS).labels


@pytest.mark.parametrize(
    ("settings", "options"),
    [({"threads": 1}, {}), ({"compute_threads": 2}, {}), ({}, {"backend": "openvino"}), ({}, {"precision": "bf16"})],
)
def test_options_of_loading_are_refused(services, settings, options, monkeypatch):
    monkeypatch.setattr("offramp.environment.cores", lambda: 2)
    with pytest.raises(OptionError, match="would do nothing to a classifier in memory"):
        offramp.serve(classifier_of(), Settings(**QUIET, **settings), **options)
    assert services == []
