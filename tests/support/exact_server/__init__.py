"""An in-memory MongoDB server for tests: keeps every document byte for byte, isolates snapshot reads, fails on demand.

It speaks OP_MSG and the commands that a dump, a restore and their drivers use, and answers as MongoDB 7.0 does. What it
does not know it refuses. `faults` describes how to make it fail, change data in mid-dump, and say what it was sent.
"""
