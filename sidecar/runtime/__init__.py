"""The plumbing of a process: clock, threads, supervision, systemd, logs, pace."""
