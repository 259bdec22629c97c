"""One seed decides what a run does; it is printed, and RFM_SOAK_SEED sets it."""

import os
import secrets

SEED_VARIABLE = "RFM_SOAK_SEED"


def draw_seed() -> int:
    """The seed of this run; pytest shows the line of a test that fails."""
    given = os.environ.get(SEED_VARIABLE)
    seed = int(given) if given else secrets.randbelow(2**31)
    print(f"{SEED_VARIABLE}={seed}")
    return seed
