import pytest
from starlette.testclient import TestClient

from helpers.serving_models import classifier_of
from offramp.serving import Settings, make_service
from offramp.serving.app import create_app


@pytest.fixture(scope="session")
def classifier():
    return classifier_of()


@pytest.fixture
def serve():
    """Makes a client of a running server; further arguments are settings."""
    running = []

    def start(classifier, *, keys=None, threshold=None, raise_errors=True, **settings):
        service = make_service("tiny", [classifier], Settings(**settings), threshold=threshold)
        service.core.start()
        running.append(service.core)
        client = TestClient(create_app(service, keys), raise_server_exceptions=raise_errors)
        client.service = service
        return client

    yield start
    for core in running:
        core.stop()
