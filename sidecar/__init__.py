"""Checksummed, verified, restorable backups of MongoDB collections."""

__version__ = "0.1.0"
