"""Damage at random: the same cases on each machine and at each time, so that a change alone makes one fail."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fashion",
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("fashion")
