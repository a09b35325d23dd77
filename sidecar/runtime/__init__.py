"""What every process needs: clock, threads, supervision, systemd, logs, pace."""
