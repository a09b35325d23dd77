"""Running and scheduled work: jobs, schedules, leadership."""
