"""Changes of rows that are named by their key."""

from sqlalchemy import Table, Update, update


def update_by_key(table: Table) -> Update:
    """An update whose condition names the primary key, and what the row must be.

    Where an index begins with the state and has the key behind it, MariaDB finds the row by that
    index, and locks its entry before the row. Who has locked the row by its key, and then moves
    its state, locks both in the other order: a deadlock.
    """
    return update(table).with_hint("FORCE INDEX (PRIMARY)", dialect_name="mysql")
