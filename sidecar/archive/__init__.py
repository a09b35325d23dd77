"""The format of a backup: BSON, its Extended JSON, the framing, the metadata, checksums, compression and encryption."""
