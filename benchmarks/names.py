"""The names of the cells, as tables, pictures and targets spell them."""

HELLO = "hello"
HELLO_POST = "hello, to the same POST"
NAIVE = "naive"
RESERVE_PLAIN = "reserve, plain aiohttp"
RESERVE_LANE = "reserve, fast lane"
SOLD_OUT_PLAIN = "sold out, plain aiohttp"
SOLD_OUT_LANE = "sold out, fast lane"
P50 = "p50 at 70 % of saturation"
P99 = "p99 at 70 % of saturation"
P999 = "p99.9 at 70 % of saturation"
P99_LATE = "p99 of how late the requests left, there"
WRITER = "writer"
BARE_INSERT = "bare multi-row insert"
ENGINE_SHALLOW = "engine, few reservations"
ENGINE_DEEP = "engine, many reservations"
HTTP_SHALLOW = "HTTP, few reservations"
HTTP_DEEP = "HTTP, many reservations"
MEMORY = "Redis memory for a live reservation"
MEMORY_LOG = "the same, with its entry in the log until SQL has it"
COLD_START = "livesale up to the first sale"
GENERATOR = "requests that one core drives"
GENERATOR_LATE = "p99 of how late they leave, at 20,000/s"


def batches(size: int, durability: str) -> str:
    return f"batches of {size}, {durability}"


def batcher(callers: int, durability: str) -> str:
    return f"batcher, {callers} callers, {durability}"
