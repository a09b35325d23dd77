"""The same files elsewhere: made after the commit, proven there by reading them back, and the way back from there."""
