"""The backup files on the disk: written durably, locked, verified, listed, kept or deleted."""
