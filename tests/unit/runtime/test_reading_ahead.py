"""Reading ahead: as far as memory allows and no further."""

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from sidecar.runtime.threads import AHEAD_BYTES, read_ahead


@dataclass(eq=False)
class Item:
    """Something that is `size_bytes` large without taking so much."""

    size_bytes: int


@dataclass
class Source:
    """Gives items of one size and knows how many were asked for and which are still held by somebody."""

    size_bytes: int
    given: int = 0

    def __post_init__(self) -> None:
        self.alive: weakref.WeakSet[Item] = weakref.WeakSet()

    async def items(self) -> AsyncGenerator[Item, None]:
        for _ in range(3):
            gc.collect()
            self.held_before = len(self.alive)
            self.given += 1
            yield self._made()

    def _made(self) -> Item:
        item = Item(self.size_bytes)
        self.alive.add(item)
        return item


@pytest.mark.parametrize(("size_bytes", "asked_for"), [(AHEAD_BYTES, [2, 3, 3]), (AHEAD_BYTES + 1, [1, 2, 3])])
async def test_the_next_item_is_fetched_beside_a_small_one_only(size_bytes: int, asked_for: list[int]) -> None:
    source, seen = Source(size_bytes), []
    async with aclosing(read_ahead(source.items(), lambda item: item.size_bytes)) as items:
        async for _ in items:
            await asyncio.sleep(0)  # what was begun gets on
            seen.append(source.given)
    assert seen == asked_for


async def test_a_large_item_is_let_go_before_the_next_one_comes() -> None:
    source = Source(AHEAD_BYTES + 1)
    async with aclosing(read_ahead(source.items(), lambda item: item.size_bytes)) as items:
        async for item in items:
            assert item.size_bytes > AHEAD_BYTES
            assert source.held_before == 0
            del item
