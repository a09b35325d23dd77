"""What people see: text and tables on stdout, progress and complaints on stderr."""
