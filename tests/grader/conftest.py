"""What all tests of the grader share: it computes on one thread."""

from tests.one_thread import one_thread  # noqa: F401 (a fixture)
