"""Copies of the backups in a bucket or a second directory: send them, verify them by reading them back, fetch them."""
