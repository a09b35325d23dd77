"""Make a backup."""
