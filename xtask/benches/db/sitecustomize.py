"""Python imports this first where its folder is on PYTHONPATH: it writes every statement that SQLAlchemy sends into the
file BENCH_SQL, values in place and with the transactions round it, so that psql can replay it."""

import json
import os
import re

from sqlalchemy import event
from sqlalchemy.engine import Engine

recorded = open(os.environ["BENCH_SQL"], "w", buffering=1)


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int, float)):
        return str(value)
    text = json.dumps(value) if isinstance(value, (dict, list)) else str(value)
    return "'%s'" % text.replace("'", "''")


@event.listens_for(Engine, "before_cursor_execute")
def statement(_connection, _cursor, text, parameters, _context, executemany):
    for values in parameters if executemany else [parameters]:
        filled = re.sub(r"\$(\d+)", lambda match: literal(values[int(match[1]) - 1]), text) if values else text
        recorded.write("%s;\n" % filled)


@event.listens_for(Engine, "begin")
def begin(_connection):
    recorded.write("BEGIN;\n")


@event.listens_for(Engine, "commit")
def commit(_connection):
    recorded.write("COMMIT;\n")


@event.listens_for(Engine, "rollback")
def rollback(_connection):
    recorded.write("ROLLBACK;\n")
