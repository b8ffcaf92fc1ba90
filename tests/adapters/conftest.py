import pytest

from tests.tracing import Spans


@pytest.fixture
def spans():
    return Spans()
