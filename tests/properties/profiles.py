"""How deep a law is tried: `quick` by default, `soak` with RFM_HYPOTHESIS_PROFILE=soak.

A failure prints the blob (`@reproduce_failure`) from which it is run again.
"""

import os

from hypothesis import HealthCheck, settings

VARIABLE = "RFM_HYPOTHESIS_PROFILE"
FACTORS = {"quick": 1, "soak": 40}


def tried(quick: int) -> settings:
    """Settings for a law that is tried `quick` times by default."""
    profile = os.environ.get(VARIABLE, "quick")
    if profile not in FACTORS:
        raise ValueError(f"{VARIABLE} is {profile!r}: use {' or '.join(FACTORS)}")
    return settings(
        max_examples=quick * FACTORS[profile],
        deadline=None,  # two cores, shared: times say nothing
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
