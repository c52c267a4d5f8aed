"""The mathematics of unmasking schedules, on plain arrays."""
