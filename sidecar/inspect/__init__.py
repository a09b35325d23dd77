"""Looking into stored backups: comparison and extraction."""
