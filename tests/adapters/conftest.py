import pytest

from .spans import Spans


@pytest.fixture
def spans():
    return Spans()
