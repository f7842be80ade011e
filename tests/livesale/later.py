"""A later version of the service: its scripts write another log, and its codec knows that."""

from collections.abc import Mapping

from msgspec.structs import replace

from livesale.resources import Deployment
from stock.entries import LogEntry, decode
from stock.gateway import RedisEngine
from stock.scripts import load_engine, lua_folder


def later_version(stage: Deployment) -> Deployment:
    """The same stage with scripts that write version 2."""
    text = (lua_folder() / "includes" / "log.lua").read_text()
    scripts = load_engine(replace={"log": text.replace("'v', '1'", "'v', '2'")})
    engine = RedisEngine(stage.redis, stage.keyspace, stage.engine.epochs, scripts=scripts)
    return replace(stage, engine=engine)


def decode_later(entry_id: str, fields: Mapping[str, str]) -> LogEntry:
    """What the codec of that version makes of the log: it knows both."""
    return decode(entry_id, dict(fields) | {"v": "1"})
