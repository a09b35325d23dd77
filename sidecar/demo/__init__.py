"""What `make demo` and the tests need: a MongoDB-compatible server of their own and a school to back up."""
