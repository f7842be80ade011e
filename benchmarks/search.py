"""The search of products at its bound: `python -m benchmarks.search`. No server is needed."""

import random
import resource
import statistics
import time
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from livesale.catalogue.products.search_index import MAX_TITLES, Entry, SearchIndex

CHINESE = (
    "明前龙井绿茶叶礼盒装新款女装连衣裙夏季薄款纯棉短袖男士休闲运动鞋手机壳防摔苹果华为小米充电宝"
    "大容量保温杯不锈钢水杯儿童玩具积木拼图厨房收纳架多功能置物家用电器空气炸锅洗面奶补水面膜护肤"
    "套装零食坚果大礼包每日鲜牛肉干麻辣香菇酱"
)
_LATIN_TEXT = (
    "Tea Green Set Pro Max Cotton Summer Shoes Case Phone Bottle Steel Kids Toy Puzzle Kitchen "
    "Rack Air Fryer Mask Skin Nut Beef Sauce 500g 12pc XL 2026"
)
LATIN = _LATIN_TEXT.split()
QUERIES = ("龙井", "龙井绿茶", "茶", "tea", "2026 tea 茶叶", "空气炸锅", "t s p", "不存在")
ROUNDS = 20


def titles(count: int, seed: int = 1) -> Iterator[str]:
    """Made-up titles: two-character words of Chinese, and up to four Latin ones."""
    chance = random.Random(seed)
    for _ in range(count):
        words = []
        for _ in range(chance.randint(5, 14)):
            at, length = chance.randrange(len(CHINESE) - 2), 1 if chance.random() < 0.3 else 2
            words.append(CHINESE[at : at + length])
        yield " ".join(["".join(words), *chance.sample(LATIN, chance.randint(0, 4))])


def main() -> None:
    made = list(titles(MAX_TITLES))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    index, began_s = SearchIndex(), time.perf_counter()
    for number, title in enumerate(made):
        index.put(Entry(f"{number:013d}", title, "food/tea", "on_sale"))
    built_s = time.perf_counter() - began_s
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    console = Console()
    console.print(f"{len(index):,} titles: {built_s:.1f} s to build, {grown_kib / 1024:.0f} MiB")
    table = Table("query", "found", "median ms", "slowest ms")
    for query in QUERIES:
        took_ms, found = [], 0
        for _ in range(ROUNDS):
            began_s = time.perf_counter()
            found = len(index.find(query, status="on_sale"))
            took_ms.append((time.perf_counter() - began_s) * 1000)
        table.add_row(
            query, f"{found:,}", f"{statistics.median(took_ms):.2f}", f"{max(took_ms):.2f}"
        )
    console.print(table)


if __name__ == "__main__":
    main()
