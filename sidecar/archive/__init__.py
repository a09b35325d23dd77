"""What a backup file is: BSON, its text, the framing, the metadata, and the digests that prove them."""
