"""The database: the only folder that knows the driver."""
