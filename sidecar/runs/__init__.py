"""Work under way and work that is due: jobs, schedules, leadership."""
