"""What `alembic heads` and `alembic current` say of some configs: a JSON list of files on stdin, the ids on stdout."""
import io
import json
import sys

from alembic import command
from alembic.config import Config

OUT = sys.stdout
sys.stdout = sys.stderr  # the application's own prints


def ids(ask, name):
    said = io.StringIO()
    ask(Config(name, stdout=said))
    return [line.split()[0] for line in said.getvalue().splitlines() if line.strip()]


json.dump([{"current": ids(command.current, name), "heads": ids(command.heads, name)} for name in json.load(sys.stdin)], OUT)
