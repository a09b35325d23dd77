"""What mongoimport does with `--jsonArray`, for machines without it: canonical Extended JSON, read by PyMongo and inserted.

Takes `--uri URI`, or none for localhost, `--db`, `--collection`, `--drop`, `--jsonArray` and the file, or reads standard input.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from bson import json_util
from pymongo import MongoClient


def main() -> int:
    parser = argparse.ArgumentParser(prog="mongoimport")
    parser.add_argument("--uri", default="mongodb://localhost:27017")
    parser.add_argument("--db")
    parser.add_argument("--collection", required=True)
    parser.add_argument("--drop", action="store_true")
    parser.add_argument("--jsonArray", action="store_true", required=True)
    parser.add_argument("file", type=Path, nargs="?", default=Path("/dev/stdin"))
    options = parser.parse_args()
    documents = json_util.loads(options.file.read_text(), json_options=json_util.CANONICAL_JSON_OPTIONS)
    with MongoClient[dict[str, Any]](options.uri) as client:
        database = client[options.db] if options.db else client.get_default_database()
        if options.drop:
            database.drop_collection(options.collection)
        if documents:
            database[options.collection].insert_many(documents)
    sys.stderr.write(f"{len(documents)} document(s) imported successfully. 0 document(s) failed to import.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
