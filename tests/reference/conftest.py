"""What the tests of the studies share."""

from functools import cache

import pytest

from bench.reference.studies import STUDIES


@pytest.fixture(scope="session", autouse=True)
def each_study_is_computed_once():
    """The command and the tests of a study are about the same frame."""
    original = dict(STUDIES)
    STUDIES.update({name: cache(study) for name, study in original.items()})
    yield
    STUDIES.update(original)
