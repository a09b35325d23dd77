"""What commands print: text and tables on stdout, progress and errors on stderr."""
