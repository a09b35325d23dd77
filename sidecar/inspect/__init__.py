"""Look into stored backups: compare them, find and extract documents; and check what the configuration needs."""
