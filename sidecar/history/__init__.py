"""The durable record of runs, due times and notices, in SQLite; a run is recorded before it starts."""

DIRECTORY = ".history"  # below the backup directory
