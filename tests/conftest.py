"""What holds for all tests: hypothesis tries the same examples each time, unless a longer run is asked for."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, database=None)
settings.register_profile("searching", print_blob=True)
settings.load_profile(
    "searching" if {"AMPUBSUB_EXAMPLES", "AMPUBSUB_FUZZ"} & set(os.environ) else "repeatable"
)
