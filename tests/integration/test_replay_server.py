"""The replay server gives benchmarks a dump and a restore that can be compared."""

from collections import Counter
from typing import Any

import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from support.servers import replay_server

Client = MongoClient[RawBSONDocument]


def dump(client: Client, db: str, name: str, **options: Any) -> Counter[bytes]:
    return Counter(bytes(one.raw) for one in client[db][name].find(**options))


@pytest.mark.parametrize("flags", [(), ("--documents", "nested")])
def test_what_is_restored_into_another_process_reads_back_equal(flags: tuple[str, ...]) -> None:
    with (
        replay_server(5, *flags) as source,
        replay_server(0, *flags) as target,
        Client(source.uri, document_class=RawBSONDocument) as reader,
        Client(target.uri, document_class=RawBSONDocument) as writer,
    ):
        dumped = dump(reader, "bench", "attendance", batch_size=7000)
        documents = [RawBSONDocument(raw) for raw in dumped.elements()]
        writer.restored.staged.insert_many(documents[:1000])
        writer.restored.staged.insert_many(documents[1000:])
        writer.restored.staged.rename("attendance")
        assert dumped.total() == writer.restored.attendance.count_documents({})
        assert sum(map(len, dumped.elements())) == pytest.approx(5_000_000, rel=0.01)
        assert dump(writer, "restored", "attendance", batch_size=500) == dumped


def test_a_snapshot_read_carries_its_cluster_time_and_gives_the_count_it_claims() -> None:
    with replay_server(1) as server, Client(server.uri, document_class=RawBSONDocument) as client:
        with client.start_session(snapshot=True) as session:
            read = list(client.bench.attendance.find(session=session))
            counted = client.bench.attendance.count_documents({}, session=session)
        reply = client.bench.command({"find": "attendance", "readConcern": {"level": "snapshot"}})
    assert (len(read), "atClusterTime" in reply["cursor"]) == (counted, True)
