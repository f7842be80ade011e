"""Enforces TLS to MySQL and MariaDB if the settings require it.

aiomysql talks unencrypted to a server that offers no TLS, even if it has an SSL context. An
attacker in between could remove that offer and read everything. Here the connection ends before
it sends a user name.
"""

from typing import Any

import aiomysql  # type: ignore[import-untyped]
from aiomysql.connection import Connection  # type: ignore[import-untyped]
from pymysql.constants import CLIENT, CR  # type: ignore[import-untyped]


async def connect_by_tls(**options: Any) -> Connection:
    """Like `aiomysql.connect`, but never unencrypted."""
    connection = _TlsConnection(**options)
    await connection._connect()
    return connection


class _TlsConnection(Connection):  # type: ignore[misc]  # aiomysql has no types
    async def _get_server_information(self) -> None:
        await super()._get_server_information()
        if not self.server_capabilities & CLIENT.SSL:
            problem = "the settings require TLS, but this server does not offer it"
            raise aiomysql.OperationalError(CR.CR_SSL_CONNECTION_ERROR, problem)
