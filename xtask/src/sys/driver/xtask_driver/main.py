"""The start of the process."""

import gc
import os
import sys
import time

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
    os.chdir(launch["project"])
    sys.argv = ["alembic"]
    try:
        session = start(channel, launch)
        if session is not None:
            if not handed:
                channel.answer("ready", seconds=time.monotonic() - began, **versions())
            process.work(channel, session, handed)
    finally:
        process.end()


def start(channel, launch):
    """The session, ready for commands; after an error event, None."""
    # Nearly all that an import makes stays; looking for garbage in it takes a tenth of the start.
    gc.disable()
    try:
        from xtask_driver.session import Session
    except ImportError as error:
        channel.answer("error", kind="alembic-missing", phase="start", message=str(error), module=error.name)
        return None
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


def versions():
    import alembic
    import sqlalchemy

    return {
        "alembic": alembic.__version__,
        "sqlalchemy": sqlalchemy.__version__,
        "python": "%d.%d.%d" % sys.version_info[:3],
    }
