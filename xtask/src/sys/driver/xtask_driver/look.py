"""A look at the catalogs in the middle of a migration's transaction, through its own session: what it has done and not yet
committed is seen by nobody else. It leaves no trace: a savepoint is rolled back, with settings and locks.
"""

# One statement: a look is made after each statement of a migration, and each statement is a way to the server and back.
SETTINGS = """select pg_catalog.set_config(name, value, true) from (values
    ('search_path', ''), ('jit', 'off'),
    -- Nobody's migration may wait, or fail, for a look.
    ('lock_timeout', '200ms'), ('statement_timeout', '5s'), ('idle_in_transaction_session_timeout', '0')
) as settings (name, value)"""


def look(connection, queries):
    """The rows of each query, which gives one text a row; None where there is no transaction or something is in the way."""
    if connection is None or not connection.in_transaction():
        return None
    # Past SQLAlchemy, whose listeners are env.py's.
    cursor = connection.connection.cursor()
    try:
        cursor.execute("SAVEPOINT xtask_look")
        try:
            cursor.execute(SETTINGS)
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
