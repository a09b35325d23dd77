"""What is known now, for people, pages and metrics."""
