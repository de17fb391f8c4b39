"""One Alembic environment and the commands that xtask gives: `migrate`, `step`, `use`, `release`, `sql`, `heads`,
`compare`, `write`, `reload`, `files`, `stop`.

Each command is answered by exactly one of the events `migrated`, `done`, `ok`, `sql`, `heads`, `compared`, `written`,
`files` or `error`; `connected` and `start` (and, in `migrate`, a `done` for each step) may come before it.
"""

import gc
import inspect
import io
import os
import sys
import time

from alembic.config import CommandLine, Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import load_python_file
from sqlalchemy import MetaData, Table

from xtask_driver import origin
from xtask_driver.draft import Draft
from xtask_driver.failure import Recorder, Refused, chain, describe, frames_of_error, last_in, shown
from xtask_driver.guard import Guard
from xtask_driver.scripts import Bytecode


class Step:
    """The step that is being run."""

    def __init__(self, direction, revision, path):
        self.direction = direction
        self.revision = revision
        self.path = os.path.realpath(path)
        self.began = time.monotonic()


class Session:
    """The config, the scripts and the guard of one project, for as long as the process lives."""

    def __init__(self, channel, launch):
        self._channel = channel
        self._launch = launch
        self._phase = "config"
        self._script = None
        self._step = None
        self._heads = set()
        self._sees_ledger = True
        self._script_folders = ()
        self._ran = set()
        self._draft = None
        self._guard = Guard(channel)
        self._guard.install()
        self._guard.expect(launch["expect"], launch["settings"])
        self._recorder = Recorder(self._locate)

    # The environment

    def load(self):
        """Reads the config and every migration script, as each `alembic` command does."""
        self._config = alembic_config(self._launch)
        section = self._config.config_ini_section
        self._own_url = self._config.file_config.get(section, "sqlalchemy.url", raw=True, fallback=None)
        self._set_url(self._launch["url"])
        script = self._directory()
        self._script_folders = tuple(os.path.realpath(place) for place in script._version_locations)
        self._bytecode = Bytecode(self._launch["state_dir"], (script.dir,) + self._script_folders)
        self._bytecode.install()
        self._read(script)
        self._bytecode.save()

    def _directory(self):
        script = ScriptDirectory.from_config(self._config)
        script.dir = os.path.abspath(script.dir)
        if self._launch.get("versions"):
            script.version_locations = list(self._launch["versions"])
        return script

    def _read(self, script):
        """Imports every script; if one cannot be imported, what was read before stays."""
        self._phase = "load"
        parents = {script.revision: script._all_down_revisions for script in script.walk_revisions("base", "heads")}
        self._script, self._parents = script, parents
        self._ran = set()
        self._phase = "env"

    def _set_url(self, url):
        text = self._own_url if url is None else url.replace("%", "%%")
        if text is not None:
            self._config.set_main_option("sqlalchemy.url", text)

    # The commands

    def serve(self):
        """Answers commands until `stop`."""
        while True:
            command = self._channel.next()
            if command["do"] == "stop":
                return
            self.guarded(lambda: getattr(self, "do_" + command["do"])(command))

    def guarded(self, action):
        """Runs `action`; whatever it raises becomes an error event. True if it raised nothing."""
        try:
            action()
            return True
        except BaseException as error:  # also SystemExit and KeyboardInterrupt: the process must go on
            # If a step had been answered already, xtask's next command is the one that this error answers.
            self._channel.take_back()
            self._report(error)
            return False
        finally:
            self._step = None

    def do_use(self, command):
        """From now on another database, for example one put back from a template."""
        self._set_url(command["url"])
        self._guard.expect(command["expect"], command["settings"])
        self._channel.emit("ok")

    def do_release(self, _command):
        """The walk's connection has been closed when env.py ended; collect what env.py left to the collector."""
        gc.collect()
        self._channel.emit("ok")

    def do_reload(self, _command):
        """Reads the scripts anew: one came, went, or has another parent. The same folders, the same config."""
        before = list(sys.path)
        try:
            script = self._directory()
        finally:
            sys.path[:] = before  # it puts in the config's prepend_sys_path each time
        self._read(script)
        self._channel.emit("ok")

    def do_files(self, _command):
        """What a change of makes this process out of date."""
        self._channel.emit("files", files=origin.files())

    def do_heads(self, _command):
        self._channel.emit("heads", heads=sorted(self._script.get_heads()))

    def do_migrate(self, command):
        """Runs a list of steps in the project's own transaction mode."""

        def steps(heads, _context):
            self._check_before(command["before"], heads)
            for left, (direction, revision) in enumerate(command["steps"], 1 - len(command["steps"])):
                yield self._prepare(direction, revision, revision in command["skipped"])
                self._done()
                if left and command["pause"]:
                    self._channel.next()  # xtask looks at the database, then says `go`

        self._run(steps, command["target"])
        self._channel.emit("migrated", heads=sorted(self._heads), sees_ledger=self._sees_ledger)

    def do_step(self, command):
        """Runs this step and those that follow, each in a transaction of its own, in one run of env.py."""
        owned = []

        def steps(heads, context):
            following = command
            while following["do"] == "step":
                yield self._prepare(following["direction"], following["revision"])
                if env_owns_transaction(context):
                    # Nothing is committed before env.py ends; so it must end before we may say done.
                    owned.append(True)
                    return
                self._done()
                following = self._channel.next()
            self._channel.push_back(following)

        self._run(steps, command["revision"], per_migration=True)
        if owned:
            self._done()

    def do_sql(self, command):
        """Alembic's offline SQL for a list of steps, as text."""
        def steps(_heads, _context):
            for direction, revision in command["steps"]:
                yield self._prepare(direction, revision, revision in command["skipped"])
                self._applied = self._ancestors(self._heads)

        start = command["start"]
        # A single id as a word, not as a list: older versions of Alembic take nothing else.
        starting = start[0] if len(start) == 1 else (start or None)
        text = self._config.output_buffer = io.StringIO()
        try:
            self._run(steps, command["target"], as_sql=True, starting_rev=starting)
        finally:
            self._config.output_buffer = None
        self._channel.emit("sql", text=text.getvalue())

    def do_compare(self, command):
        """A new revision up to the point where `alembic revision` would write it; for an empty one env.py is only run
        where the project asks for that."""
        draft = self._draft = Draft(self._config, self._script, command)
        ordinary = self._config.cmd_opts
        self._config.cmd_opts = revision_options(self._launch, command)

        def visit(heads, context):
            draft.visit(heads, context)
            return []

        try:
            if command["run_env"]:
                self._run(visit, "head", **draft.options)
        finally:
            self._config.cmd_opts = ordinary
        self._channel.emit("compared", operations=draft.operations, models=draft.models)

    def do_write(self, _command):
        """Writes the revision of the last `compare`."""
        os.chdir(self._launch["project"])
        scripts = self._draft.write()
        for script in scripts:
            self._parents[script.revision] = script._all_down_revisions
        self._channel.emit(
            "written",
            scripts=[{"revision": script.revision, "path": os.path.realpath(script.path)} for script in scripts],
        )

    # Running env.py

    def _run(self, steps, target, per_migration=False, **options):
        os.chdir(self._launch["project"])
        self._phase = "env"
        self._guard.begin()
        calls = []

        def fn(heads, context):
            calls.append(True)
            if len(calls) > 1:
                raise Refused("several-runs", "env.py runs the migrations more than once (several databases or schemas)")
            self._heads = set(heads)
            self._applied = self._ancestors(heads)
            return steps(heads, context)

        environment = EnvironmentContext(self._config, self._script, fn=fn, destination_rev=target, **options)
        self._hook_configure(environment, per_migration)
        self._name_command(target)
        with environment:
            self._script.run_env()
        if not calls:
            if self._guard.refusal:
                raise self._guard.refusal
            raise Refused("not-run", "env.py ended without running the migrations")

    def _hook_configure(self, environment, per_migration):
        """Adds to what env.py says in `context.configure`: who hears of the heads, and for a walk the commits.

        On the instance and not in a subclass: older versions of Alembic find their proxies by the exact class.
        """
        configure = environment.configure
        signature = inspect.signature(configure)

        def configured(*args, **kw):
            arguments = signature.bind(*args, **kw)
            callbacks = arguments.arguments.get("on_version_apply") or ()
            callbacks = (callbacks,) if callable(callbacks) else tuple(callbacks)
            arguments.arguments["on_version_apply"] = callbacks + (self._heads_now,)
            if per_migration:
                arguments.arguments["transaction_per_migration"] = True
            self._sees_ledger = autogenerate_sees(arguments.arguments, *self._launch["ledger"])
            return configure(*arguments.args, **arguments.kwargs)

        environment.configure = configured

    def _heads_now(self, heads, **_kw):
        self._heads = set(heads)

    def _ancestors(self, heads):
        """Every revision that a database with these heads has, heads included."""
        found, todo = set(), list(heads)
        while todo:
            revision = todo.pop()
            if revision not in found:
                found.add(revision)
                todo += self._parents.get(revision, ())
        return found

    def _name_command(self, target):
        """Some env.py look at the command line that Alembic has parsed."""
        self._config.cmd_opts.revision = target

    def _check_before(self, before, heads):
        if before is not None and set(before) != set(heads):
            raise Refused(
                "moved",
                "the database is at %s, not at %s" % (", ".join(sorted(heads)) or "base", ", ".join(before) or "base"),
            )

    def _prepare(self, direction, revision, skipped=False):
        """The migration step, made as Alembic's own upgrade and downgrade make it. One that is taken back without ever
        having run (`skipped`) has nothing to undo: only the version table changes."""
        from alembic.runtime.migration import MigrationStep
        script = self._script.get_revision(revision)
        self._step = Step(direction, script.revision, script.path)
        self._phase = "step"
        self._recorder.begin()
        self._check_possible(direction, script.revision)
        self._load_anew(script)
        function = "downgrade" if direction == "down" else "upgrade"
        if not hasattr(script.module, function):
            raise Refused("no-function", "the script has no %s()" % function)
        os.chdir(self._launch["project"])
        self._channel.emit("start", direction=direction, revision=script.revision)
        self._step.began = time.monotonic()
        make = MigrationStep.downgrade_from_script if direction == "down" else MigrationStep.upgrade_from_script
        step = make(self._script.revision_map, script)
        if skipped:
            step.migration_fn = lambda *_args, **_kw: None
        return step

    def _check_possible(self, direction, revision):
        """Refuses what Alembic itself would notice only after the script has run, or not at all (a second head)."""
        if direction == "down":
            possible = revision in self._heads
        else:
            possible = revision not in self._applied and self._applied.issuperset(self._parents[revision])
        if not possible:
            raise Refused("moved", "the database is at %s" % (", ".join(sorted(self._heads)) or "base"))

    def _load_anew(self, script):
        """A script that has run before, or was edited since, is loaded again, as a new process would load it."""
        edited = not self._bytecode.is_current(script.path)
        if script.revision not in self._ran and not edited:
            self._ran.add(script.revision)
            return
        try:
            script.module = load_python_file(os.path.dirname(script.path), os.path.basename(script.path))
        except Exception:
            # Loaded once already from the same text: that it cannot be loaded twice is no fault of the script.
            if edited:
                raise

    def _done(self):
        step, self._step = self._step, None
        (self._applied.add if step.direction == "up" else self._applied.discard)(step.revision)
        self._phase = "env"
        self._channel.emit(
            "done",
            direction=step.direction,
            revision=step.revision,
            heads=sorted(self._heads),
            seconds=time.monotonic() - step.began,
        )

    # Errors

    def _report(self, error):
        refusal = self._guard.refusal
        if refusal is not None:
            fields = dict(describe(refusal, self._phase, False), kind="wrong-database")
        else:
            fields = describe(error, self._phase, self._guard.connecting)
        if fields.get("sqlstate") == "25P02":
            fields["swallowed"] = self._recorder.first
        fields["files"] = origin.raised(chain(error))
        if self._phase in ("config", "load"):
            # Perhaps the process ends with this, and nobody can ask it then.
            fields["files"] += origin.files()
        frames = frames_of_error(error)
        if self._step is not None:
            fields.update(revision=self._step.revision, direction=self._step.direction)
        fields["file"], fields["line"] = self._place(error, frames)
        fields["traceback"] = shown(error)
        fields["heads"] = sorted(self._heads)
        self._channel.emit("error", **fields)

    def _place(self, error, frames):
        if isinstance(error, SyntaxError) and error.filename:
            return os.path.realpath(error.filename), error.lineno
        return self._locate(frames)

    def _locate(self, frames):
        """The last frame in the script of the step; without a step, in any script, else in env.py."""
        if self._step is not None:
            # No frame in it: Alembic was writing its version table, or the commit failed.
            return last_in(frames, lambda file: file == self._step.path) or (self._step.path, None)
        scripts = tuple(folder + os.sep for folder in self._script_folders)
        env = self._script and os.path.realpath(os.path.join(self._script.dir, "env.py"))
        in_script = last_in(frames, lambda file: file.startswith(scripts) and file != env)
        return in_script or last_in(frames, lambda file: file == env) or (None, None)


def env_owns_transaction(context):
    """Whether env.py began the transaction itself, so that a step is not committed when Alembic is done with it."""
    if getattr(context, "_in_external_transaction", False):
        return True
    in_transaction = getattr(context.connection, "in_transaction", None)
    return bool(in_transaction and in_transaction())


def revision_options(launch, command):
    """What `alembic revision` has parsed: hooks of the project ask whether it is to autogenerate."""
    words = ["-c", launch["config"], *launch["options"], "revision", "--message=%s" % (command["message"] or "")]
    words += ["--autogenerate"] if command["autogenerate"] else []
    words += ["--rev-id=%s" % command["rev_id"]] if command["rev_id"] else []
    return CommandLine(prog="alembic").parser.parse_args(words)


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


def alembic_config(launch):
    """The config as the command line makes it, parsed options included: some env.py ask for them."""
    options = CommandLine(prog="alembic").parser.parse_args(["-c", launch["config"], *launch["options"], "upgrade", "heads"])
    extra = {}
    if "toml_file" in inspect.signature(Config.__init__).parameters:
        extra["toml_file"] = os.path.join(launch["project"], "pyproject.toml")
    return Config(file_=launch["config"], ini_section=options.name, cmd_opts=options, **extra)
