"""Renders a new revision as `alembic revision` and `alembic merge` would write it: by the project's own script.py.mako,
under the name that its file_template gives. Nothing is written; the question comes as JSON on stdin, the answer goes as
JSON to stdout.
"""

import json
import os
import sys

question = json.load(sys.stdin)
answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
# What the project prints while it is imported is no part of the answer.
os.dup2(2, 1)
os.chdir(question["project"])

from alembic import util  # noqa: E402
from alembic.script import ScriptDirectory  # noqa: E402
from mako import exceptions  # noqa: E402
from mako.template import Template  # noqa: E402
from xtask_driver.config import alembic_config  # noqa: E402

sys.path[0] = question["project"]

config = alembic_config(question)
directory = ScriptDirectory.from_config(config)
created = directory._generate_create_date()
path = directory._rev_path(question["folder"], question["revision"], question["message"], created)
template = Template(filename=os.path.join(directory.dir, "script.py.mako"))
try:
    text = template.render_unicode(
        config=config,
        up_revision=question["revision"],
        down_revision=tuple(question["parents"]),
        branch_labels=None,
        depends_on=None,
        create_date=created,
        comma=util.format_as_comma,
        message=question["message"],
    )
except Exception:
    sys.exit(exceptions.text_error_template().render())
json.dump({"name": os.path.basename(path), "text": text}, answer)
answer.flush()
# Not sys.exit: what the project has started must not keep us.
os._exit(0)
