"""How long to fuzz: shortly in the tests, and as long as GELOMBANG_FUZZ_SECONDS says for ``make fuzz``."""

import os

from hypothesis import HealthCheck, settings

SECONDS = int(os.environ.get("GELOMBANG_FUZZ_SECONDS", "0"))
BY_SECOND = 30  # examples of the slower tests that fit into a second, roughly


def tries(short: int, *, at_most: int = 20_000) -> settings:
    """So many examples in the tests, more where there is time. No deadline: CI's machine has other things to do."""
    count = min(max(short, SECONDS * BY_SECOND), at_most)
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))
