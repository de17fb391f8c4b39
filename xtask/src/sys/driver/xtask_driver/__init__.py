"""The parts of xtask's Alembic driver. Python 3.8 or newer, Alembic 1.4 or newer, SQLAlchemy 1.3 or newer.

protocol   the two pipes to xtask, and what keeps scripts away from them
guard      refuses every database but the announced one, and prepares each connection
scripts    loads migration scripts from their source, never from stale bytecode
failure    an exception as structure
run        one run of env.py, and how it went whatever env.py makes of it
traces     what a step leaves behind that the next one must not meet
process    the process that works, and the fresh one that takes its place
origin     the files that the process was made from
session    one Alembic environment and the commands that xtask gives
"""
