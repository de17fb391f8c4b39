"""One run of env.py: what it is hooked with, and how it went, whatever env.py makes of that. Some catch every exception,
run the migrations in a thread, never commit, or do not run them at all.
"""

import asyncio
import inspect
import os
import threading
import time

from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from sqlalchemy import MetaData, Table

from xtask_driver.failure import Refused


class Step:
    """The step that is being run."""

    def __init__(self, direction, revision, path):
        self.direction = direction
        self.revision = revision
        self.path = os.path.realpath(path)
        # How many steps had run in this process before.
        self.ran_before = 0
        # The server processes of sessions that it has opened and not closed.
        self.left = []
        self._began = time.monotonic()

    def seconds(self):
        return time.monotonic() - self._began


class Run:
    """`phase` says whose code is running: `config`, `load`, `env` (env.py), `table` (Alembic and its version table) or
    `step` (the script of `step`)."""

    def __init__(self, phase, ledger=None):
        self.phase = phase
        self.step = None
        self.calls = 0
        # The first exception that came out of Alembic, with where it stood; env.py may keep it for itself.
        self.caught = None
        self.sees_ledger = True
        self._ledger = ledger
        self._is_finished = False
        self._context = None

    def count_call(self):
        self.calls += 1
        if self.calls > 1:
            raise Refused("several-runs", "env.py runs the migrations more than once (several databases or schemas)")

    def env_py(self, config, script, options, on_heads, on_configure, per_migration):
        """Runs env.py. What it raises comes out, but for an exit in good order after all that was to do."""
        environment = EnvironmentContext(config, script, **options)
        self._hook(environment, on_heads, on_configure, per_migration)
        before = threading.enumerate()
        try:
            with environment:
                script.run_env()
        except SystemExit as error:
            if error.code not in (0, None) or not self._is_finished:
                raise
        if not self._is_finished:
            # As the end of Python would.
            for thread in threading.enumerate():
                if thread not in before and not thread.daemon:
                    thread.join()

    def check(self, recorder):
        """Whether the run did what it was for, after env.py ended as if it had."""
        if self.caught is not None:
            raise self.caught[0]
        if not self._is_finished:
            met = " (it met: %s)" % recorder.first["message"] if recorder.first and recorder.first.get("message") else ""
            raise Refused("not-run", "env.py ended without running the migrations" + met)

    def check_kept(self, recorder, heads):
        """Whether what was done is committed: some env.py leave that to nobody."""
        if recorder.is_committed:
            return
        try:
            kept = set(self._heads_in_database())
        except Exception:  # an engine that env.py has made unusable; xtask looks at the database itself, too
            return
        if kept != heads:
            self.phase, self.step = "env", None
            if getattr(self._context, "_in_external_transaction", False):
                message = "a transaction was open on the connection before context.configure(), and env.py never commits it"
                raise Refused("not-kept", message, recorder.opened)
            raise Refused("not-kept", "env.py ended without committing what the migrations did")

    def _heads_in_database(self):
        """What another connection of the same engine sees in the version table."""
        context = self._context
        engine = context.connection.engine
        table = {"version_table": context.version_table, "version_table_schema": context.version_table_schema}

        def ask():
            with engine.connect() as connection:
                return MigrationContext.configure(connection, opts=table).get_current_heads()

        if not getattr(engine.dialect, "is_async", False):
            return ask()
        from sqlalchemy.util.concurrency import greenlet_spawn

        return asyncio.run(greenlet_spawn(ask))

    def script(self, function, children):
        """A script's function, so that what it does is told from what Alembic does round it. A child process that it has
        forked ends where it comes out of it: further on it would work with its parent's session."""

        def run(*args, **kw):
            self.phase = "step"
            children.expect()
            try:
                function(*args, **kw)
            except BaseException as error:
                children.end_here(error)
                raise
            children.end_here(None)
            children.check()
            self.phase = "table"

        return run

    def _hook(self, environment, on_heads, on_configure, per_migration):
        """Adds to what env.py says in `context.configure`: who hears of the heads, and for a walk the commits.

        On the instances and not in subclasses: older versions of Alembic find their proxies by the exact class.
        """
        configure = environment.configure
        signature = inspect.signature(configure)

        def configured(*args, **kw):
            arguments = signature.bind(*args, **kw)
            callbacks = arguments.arguments.get("on_version_apply") or ()
            callbacks = (callbacks,) if callable(callbacks) else tuple(callbacks)
            arguments.arguments["on_version_apply"] = callbacks + (on_heads,)
            if per_migration:
                arguments.arguments["transaction_per_migration"] = True
            self.sees_ledger = autogenerate_sees(arguments.arguments, *self._ledger)
            on_configure()
            configure(*arguments.args, **arguments.kwargs)
            self._context = environment.get_context()
            self._hook_run(self._context)

        environment.configure = configured

    def _hook_run(self, context):
        run_migrations = context.run_migrations

        def watched(**kw):
            self.phase = "table"
            try:
                run_migrations(**kw)
            except BaseException as error:
                if self.caught is None:
                    self.caught = (error, self.phase, self.step)
                raise
            self.phase = "env"
            self._is_finished = True

        context.run_migrations = watched


def autogenerate_sees(configured, schema, table):
    """Whether autogenerate, as env.py has configured it, would look at this table and propose to drop it."""
    configured = dict(configured, **configured.get("kw", {}))
    if not configured.get("include_schemas"):
        return False
    name, thing = configured.get("include_name"), configured.get("include_object")
    parents = {"schema_name": schema, "table_name": table, "schema_qualified_table_name": schema + "." + table}
    try:
        if name and not (name(schema, "schema", {}) and name(table, "table", parents)):
            return False
        return not thing or bool(thing(Table(table, MetaData(), schema=schema), table, "table", True, None))
    except Exception:  # the project's own code, asked about something that it does not know
        return True
