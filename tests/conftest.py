"""Properties are checked without a stopwatch: that a busy machine is slow says nothing about the code."""

from hypothesis import HealthCheck, settings

# What is set already stays: where CI is set, Hypothesis takes the same examples each time.
settings.register_profile("unhurried", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
