"""The start of the process."""

import gc
import os
import sys
import time
import traceback

from xtask_driver import process
from xtask_driver.protocol import Channel, leave_terminal, refuse_questions


def main():
    """Talks with xtask until it says stop or goes away."""
    began = time.monotonic()
    channel = Channel()
    leave_terminal()
    refuse_questions()
    handed = process.handed()
    launch = handed.get("launch") or channel.first()
    try:
        if handed or not launch.get("warm"):
            if has_alembic(channel):
                # Once, for all processes that are forked from this one.
                prepare(launch["url"])
                serve(channel, launch, handed, began)
        else:
            serve_and_leave(channel, launch, began)
    except Exception:
        # A mistake of the driver's own, which the end of the process would hide.
        traceback.print_exc()
    finally:
        process.end()


def has_alembic(channel):
    """Imports what every command needs; after an error event, False."""
    # Nearly all that an import makes stays; looking for garbage in it takes a tenth of the start.
    gc.disable()
    try:
        import xtask_driver.session  # noqa: F401

        return True
    except ImportError as error:
        channel.answer("error", kind="alembic-missing", phase="start", message=str(error), module=error.name)
        return False


def prepare(url):
    """What every command does with what it has imported, and what is the same for each: Alembic's parser, and the database's
    driver as `create_engine` imports it."""
    from sqlalchemy.engine import make_url

    from xtask_driver.config import parser

    try:
        parser()
        dialect = make_url(url).get_dialect()
        # The older name: SQLAlchemy 1.4.
        (dialect.import_dbapi if hasattr(dialect, "import_dbapi") else dialect.dbapi)()
    except Exception:  # the command meets it as well, unless env.py takes another driver
        pass


def serve(channel, launch, handed, began):
    """The work for one command."""
    session = start(channel, launch)
    if session is not None:
        if not handed:
            ready(channel, began)
        process.work(channel, session, handed)


def serve_and_leave(channel, launch, began):
    """The same, and processes that are warm stay behind (`warm.py`): one as this is when Alembic is imported, one as it is
    when the project is."""
    from xtask_driver import looks

    variables = looks.Variables()
    try:
        if not has_alembic(channel):
            return
        prepare(launch["url"])
    finally:
        variables.stop()
    from xtask_driver import warm, warm_project

    parent = warm.Parent(launch["warm"]["packages"], variables)
    request = warm.leave(channel, parent)
    if request is not None:
        # In a process that was forked for another command.
        began, channel, launch = time.monotonic(), Channel(), request["launch"]
    if launch["warm"]["project"] is None:
        return serve(channel, launch, {}, began)
    record = warm_project.Record()
    session = start(channel, launch)
    if session is None:
        return
    ready(channel, began)
    parent = warm_project.ProjectParent(launch["warm"]["project"], record, session, parent.looks)
    request = warm.leave(channel, parent)
    if request is None:
        parent.let_go()
    else:
        began, channel = time.monotonic(), Channel()
        session.use_channel(channel)
        if request["scripts_changed"] and not session.guarded(session.read_again):
            return
        ready(channel, began)
    process.work(channel, session, {})


def ready(channel, began):
    import alembic
    import sqlalchemy

    python = "%d.%d.%d" % sys.version_info[:3]
    versions = {"alembic": alembic.__version__, "sqlalchemy": sqlalchemy.__version__, "python": python}
    channel.answer("ready", seconds=time.monotonic() - began, **versions)


def start(channel, launch):
    """The session, ready for commands; after an error event, None."""
    from xtask_driver.session import Session

    os.chdir(launch["project"])
    sys.argv = ["alembic"]
    # As `python -m alembic` has it; what the config says in prepend_sys_path is Alembic's own to add. Only now, so
    # that a folder of scripts that is called alembic does not hide the package.
    sys.path.insert(0, launch["project"])
    session = Session(channel, launch)
    if not session.guarded(session.load):
        return None
    if hasattr(gc, "freeze"):
        gc.freeze()
    gc.enable()
    return session
