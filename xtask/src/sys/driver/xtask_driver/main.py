"""The start and the end of the process."""

import gc
import os
import sys
import time

from xtask_driver.protocol import Channel, leave_terminal, refuse_questions


def main():
    """Talks with xtask until it says stop or goes away."""
    began = time.monotonic()
    channel = Channel()
    leave_terminal()
    refuse_questions()
    launch = channel.next()
    os.chdir(launch["project"])
    sys.argv = ["alembic"]
    try:
        session = start(channel, launch, began)
        if session is not None:
            session.serve()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        # Not sys.exit: a script may have left threads, exit hooks or an event loop that never end.
        os._exit(0)


def start(channel, launch, began):
    """The session, ready for commands; after an error event, None."""
    # Nearly all that an import makes stays; looking for garbage in it takes a tenth of the start.
    gc.disable()
    try:
        import alembic
        import sqlalchemy

        from xtask_driver.session import Session
    except ImportError as error:
        channel.emit("error", kind="alembic-missing", phase="start", message=str(error), module=error.name)
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
    channel.emit(
        "ready",
        alembic=alembic.__version__,
        sqlalchemy=sqlalchemy.__version__,
        python="%d.%d.%d" % sys.version_info[:3],
        seconds=time.monotonic() - began,
    )
    return session
