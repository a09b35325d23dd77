"""Access to MongoDB. No other folder imports the driver."""
