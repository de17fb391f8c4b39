"""A look at the catalogs in the middle of a migration's transaction, through its own session: what it has done and not yet
committed is seen by nobody else. It leaves no trace: a savepoint is rolled back, with settings and locks.
"""

SETTINGS = (
    "SET LOCAL search_path = ''",
    "SET LOCAL jit = off",
    # Nobody's migration may wait, or fail, for a look.
    "SET LOCAL lock_timeout = '200ms'",
    "SET LOCAL statement_timeout = '5s'",
    "SET LOCAL idle_in_transaction_session_timeout = 0",
)


def look(connection, queries):
    """The rows of each query, which gives one text a row; None where there is no transaction or something is in the way."""
    if connection is None or not connection.in_transaction():
        return None
    # Past SQLAlchemy, whose listeners are env.py's.
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SAVEPOINT xtask_look")
        try:
            for setting in SETTINGS:
                cursor.execute(setting)
            return [_rows(cursor, query) for query in queries]
        finally:
            cursor.execute("ROLLBACK TO SAVEPOINT xtask_look")
            cursor.execute("RELEASE SAVEPOINT xtask_look")
    except Exception:  # a database that commits each statement, a lock of somebody else
        return None
    finally:
        cursor.close()


def _rows(cursor, query):
    cursor.execute(query)
    rows = [row[0] for row in cursor.fetchall()]
    if not all(isinstance(row, str) for row in rows):
        raise TypeError("no text")  # bytes, from a SQL_ASCII database
    return rows
