"""Where backup files lie: written durably, locked, verified, catalogued, kept or deleted."""
