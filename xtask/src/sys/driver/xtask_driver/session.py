"""One Alembic environment and the commands that xtask gives: `migrate`, `step`, `use`, `release`, `fresh`, `sql`,
`heads`, `compare`, `write`, `reload`, `files`, `stop`.

Each command is answered by exactly one of the events `migrated`, `done`, `ok`, `sql`, `heads`, `compared`, `written`,
`files` or `error`; `connected` and `start` (and, in `migrate`, a `done` for each step) may come before it.
"""

import gc
import io
import os
import sys
import traceback

from alembic.runtime.migration import MigrationStep
from alembic.script import ScriptDirectory
from alembic.util import load_python_file

from xtask_driver import origin, process
from xtask_driver.children import Children
from xtask_driver.config import alembic_config, revision_options
from xtask_driver.draft import Draft
from xtask_driver.failure import (
    Recorder,
    Refused,
    chain,
    describe,
    frames_of_error,
    hint_of,
    is_network_missing,
    last_in,
    shown,
)
from xtask_driver.guard import Guard
from xtask_driver.look import look
from xtask_driver.run import Run, Step
from xtask_driver.scripts import Bytecode
from xtask_driver.statements import Statements
from xtask_driver.surroundings import put
from xtask_driver.told import Told
from xtask_driver.traces import Traces

# Commands that begin something, which the traces of what went before must not reach.
BEGINNINGS = ("step", "migrate", "use", "release", "fresh")


class WornOut(Exception):
    """A script cannot be loaded a second time in this process, and a fresh one is to be had."""


class Session:
    """The config, the scripts and the guard of one project, for as long as the process lives."""

    def __init__(self, channel, launch):
        self._channel = channel
        self._launch = launch
        self._successor = None
        self._script = None
        self._script_folders = ()
        self._heads = set()
        # The text that each script's module was made from, as a digest.
        self._texts = {}
        # The revisions whose module has run, the steps begun, and whether one of them failed.
        self._ran = set()
        self._steps = 0
        self._has_failed = False
        # A process for each step, dear and beyond doubt: what a walk is held against.
        self._is_alone = bool(os.environ.get("XTASK_PROCESS_PER_STEP"))
        # The scripts were read again since this program began; those of a fresh process are older.
        self._has_reloaded = False
        self._must_reload = False
        self._must_read = False
        self._files = set()
        self._draft = None
        self._told = Told()
        self._children = Children()
        self._children.install()
        self._guard = Guard(channel)
        self._guard.install()
        os.environ.update(launch["variables"])
        self._guard.expect(launch)
        self._recorder = Recorder(self._locate)
        self._statements = Statements()
        self._traces = Traces()
        self._run_now = Run("config")

    # The environment

    def load(self):
        """Reads the config and every migration script, as each `alembic` command does."""
        self._config = alembic_config(self._launch)
        section = self._launch["section"] or self._config.config_ini_section
        self._own_url = self._config.file_config.get(section, "sqlalchemy.url", raw=True, fallback=None)
        self._set_url(self._launch["url"])
        script = self._directory()
        self._script_folders = tuple(os.path.realpath(place) for place in script._version_locations)
        self._bytecode = Bytecode(self._launch["state_dir"], (script.dir,) + self._script_folders)
        self._bytecode.install()
        try:
            self._read(script)
        except Exception:
            if not self._guard.is_refused_too_early():
                raise
            # A script connects when it is loaded, and the database is being made: they are read when it is there.
            self._must_read = True
        self._bytecode.loaded_all()
        self._bytecode.save()

    def _directory(self):
        script = ScriptDirectory.from_config(self._config)
        script.dir = os.path.abspath(script.dir)
        if self._launch.get("versions"):
            script.version_locations = list(self._launch["versions"])
        return script

    def _read(self, script):
        """Imports every script; if one cannot be imported, what was read before stays."""
        self._run_now = Run("load")
        scripts = list(script.walk_revisions("base", "heads"))
        self._script = script
        self._parents = {script.revision: script._all_down_revisions for script in scripts}
        self._texts = {script.path: self._bytecode.loaded(script.path) for script in scripts}
        self._ran = set()
        self._run_now = Run("env")

    def read_again(self):
        """Reads the scripts anew, from the same folders."""
        before = list(sys.path)
        try:
            script = self._directory()
        finally:
            sys.path[:] = before  # it puts in the config's prepend_sys_path each time
        self._read(script)
        self._has_reloaded = True
        self._must_reload = False

    def _set_url(self, url):
        text = self._own_url if url is None else url.replace("%", "%%")
        if text is None:
            return
        self._config.set_main_option("sqlalchemy.url", text)
        if self._launch["section"]:
            # The config names several databases, and env.py is to see one.
            self._config.set_main_option("databases", self._launch["section"])
            self._config.set_section_option(self._launch["section"], "sqlalchemy.url", text)

    def _aim(self, launch):
        self._launch = launch
        os.environ.update(launch["variables"])
        self._set_url(launch["url"])
        self._guard.expect(launch)

    # In a warm process and its children

    def tell_imports_to(self, pipe):
        """The first run of env.py is to say there what it has imported."""
        self._told = Told(pipe)

    def script_places(self):
        """The scripts, and the folders that they are found in."""
        folders = {folder for place in self._script_folders for folder, _folders, _names in os.walk(place)}
        return folders | {os.path.realpath(script.path) for script in self._script.walk_revisions("base", "heads")}

    def scripts_that_import(self):
        """Those whose first import has brought modules into the process."""
        return self._bytecode.importing

    def config_places(self):
        """The files beside the modules that say how the project is migrated."""
        names = (self._launch["config"], "pyproject.toml", "alembic.ini")
        return [os.path.join(self._launch["project"], name) for name in names] + [os.path.join(self._script.dir, "env.py")]

    def aim_again(self, launch, disabled):
        """For another command: nothing of the database before is remembered. `disabled`: the loggers that env.py has left
        disabled."""
        self._is_alone = bool(os.environ.get("XTASK_PROCESS_PER_STEP"))
        self._told = Told(None, disabled)
        self._guard.forget()
        for name in self._launch["variables"]:
            put(name, process.ENVIRONMENT.get(name))
        self._aim(launch)

    def use_channel(self, channel):
        self._channel = channel
        self._guard.use_channel(channel)

    # The commands

    def serve(self, successor, state):
        """Answers commands until `stop`, beginning with what another process has left."""
        self._successor = successor
        if state.get("launch"):
            self._aim(state["launch"])
        self._must_reload = bool(state.get("stale"))
        self._files = set(state.get("files") or ())
        if state.get("command"):
            self._channel.push_back(state["command"])
        while True:
            command = self._channel.next()
            if command["do"] == "stop":
                return
            if self._is_used_up(command):
                successor.replace(self._state(command))
            self.guarded(lambda: getattr(self, "do_" + command["do"])(command))

    def _state(self, command=None):
        return {
            "launch": self._launch,
            "stale": self._has_reloaded or self._must_reload,
            "files": self._all_files(),
            "command": command,
        }

    def _all_files(self):
        """The files that this process was made from, and those before it that it has taken the place of."""
        self._files.update(origin.files())
        return sorted(self._files)

    def _is_used_up(self, command):
        """Whether a fresh process should serve this command, as it would be one of `alembic`'s own."""
        if command["do"] not in BEGINNINGS or not self._steps:
            return False
        if self._traces.in_process or command["do"] == "fresh" or self._is_alone:
            return True
        held = command["do"] == "release" and self._traces.has_open()
        return self._successor.is_cheap and (self._has_failed or held or command["do"] == "migrate")

    def guarded(self, action):
        """Runs `action`; whatever it raises becomes an error event. True if it raised nothing."""
        try:
            action()
            return True
        except BaseException as error:  # also SystemExit and KeyboardInterrupt: the process must go on
            if self._channel.is_forked():
                # A child of a script's; it ends as it would under `alembic`, and whoever waits for it goes on.
                traceback.print_exc()
                os._exit(1)
            # If a step had been answered already, xtask's next command is the one that this error answers.
            self._channel.take_back()
            self._report(error)
            return False
        finally:
            self._run_now.step = None

    def do_use(self, command):
        """From now on another database, for example one put back from a template."""
        self._aim({name: value for name, value in command.items() if name != "do"})
        if self._must_read:
            self._must_read = False
            self.read_again()
        self._successor.note(self._state())
        self._channel.answer("ok")

    def do_release(self, _command):
        """The walk's connection has been closed when env.py ended; collect what env.py left to the collector."""
        gc.collect()
        self._channel.answer("ok")

    def do_fresh(self, _command):
        """This process is a fresh one."""
        self._channel.answer("ok")

    def do_reload(self, _command):
        """Reads the scripts anew: one came, went, or has another parent. The same folders, the same config."""
        self.read_again()
        self._successor.note(self._state())
        self._channel.answer("ok")

    def do_files(self, _command):
        """What a change of makes this process out of date."""
        self._channel.answer("files", files=self._all_files())

    def do_heads(self, _command):
        self._channel.answer("heads", heads=sorted(self._script.get_heads()))

    def do_migrate(self, command):
        """Runs a list of steps in the project's own transaction mode."""

        def steps(heads, context):
            self._check_before(command["before"], heads)
            for left, (direction, revision) in enumerate(command["steps"], 1 - len(command["steps"])):
                yield self._prepare(context, direction, revision, revision in command["skipped"])
                self._ended(context)
                self._done(self._channel.tell)
                if left and command["pause"]:
                    self._pause(context)

        self._run(steps, command["target"])
        self._run_now.check_kept(self._recorder, self._heads)
        self._channel.answer(
            "migrated",
            heads=sorted(self._heads),
            sees_ledger=self._run_now.sees_ledger,
        )

    def _pause(self, context):
        """xtask looks at the database, also through the session of the migration, and then says `go`."""
        while True:
            command = self._channel.next()
            if command["do"] != "look":
                return
            self._channel.tell("seen", answers=look(context.connection, command["queries"]))

    def do_step(self, command):
        """Runs this step and those that follow, each in a transaction of its own, in one run of env.py: as long as none
        of them leaves something for the next one to meet."""
        owned = []

        def steps(_heads, context):
            following = command
            while following["do"] == "step":
                # What Alembic and SQLAlchemy remember of a context: the types that they have made, for example.
                context.impl.memo.clear()
                try:
                    step = self._prepare(context, following["direction"], following["revision"])
                except WornOut:
                    self._run_now.step = None
                    self._traces.in_process = True
                    break
                yield step
                self._ended(context)
                if env_owns_transaction(context):
                    # Nothing is committed before env.py ends; so it must end before we may say done.
                    owned.append(True)
                    return
                self._done(self._channel.answer)
                following = self._channel.next()
                if self._traces.in_session or self._traces.in_process or self._is_alone:
                    break
            self._channel.push_back(following)

        self._run(steps, command["revision"], per_migration=True)
        if owned:
            self._run_now.check_kept(self._recorder, self._heads)
            self._done(self._channel.answer)

    def do_sql(self, command):
        """Alembic's offline SQL for a list of steps, as text."""

        def steps(_heads, context):
            for direction, revision in command["steps"]:
                yield self._prepare(context, direction, revision, revision in command["skipped"])
                self._applied = self._ancestors(self._heads)

        start = command["start"]
        # A single id as a word, not as a list: older versions of Alembic take nothing else.
        starting = start[0] if len(start) == 1 else (start or None)
        text = self._config.output_buffer = io.StringIO()
        try:
            self._run(steps, command["target"], as_sql=True, starting_rev=starting)
        finally:
            self._config.output_buffer = None
        self._channel.answer("sql", text=text.getvalue())

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
        self._channel.answer("compared", operations=draft.operations, models=draft.models)

    def do_write(self, _command):
        """Writes the revision of the last `compare`."""
        os.chdir(self._launch["project"])
        scripts = self._draft.write()
        for script in scripts:
            self._parents[script.revision] = script._all_down_revisions
        # A fresh process does not know them.
        self._has_reloaded = True
        self._successor.note(self._state())
        self._channel.answer(
            "written",
            scripts=[{"revision": script.revision, "path": os.path.realpath(script.path)} for script in scripts],
        )

    # Running env.py

    def _run(self, steps, target, per_migration=False, **options):
        os.chdir(self._launch["project"])
        if self._must_reload:
            self.read_again()
        self._guard.begin()
        self._recorder.begin_run()
        self._traces.begin_run()
        run = self._run_now = Run("env", self._launch["ledger"])
        self._told.begin()

        def fn(heads, context):
            run.count_call()
            run.phase = "env"
            self._told.tell()
            self._guard.check_env()
            run.phase = "table"
            self._heads = set(heads)
            self._applied = self._ancestors(heads)
            return steps(heads, context)

        # Some env.py look at the command line that Alembic has parsed.
        self._config.cmd_opts.revision = target
        run.env_py(
            self._config,
            self._script,
            dict(options, fn=fn, destination_rev=target),
            on_heads=self._heads_now,
            on_configure=self._recorder.configured,
            per_migration=per_migration,
        )
        if not run.calls and self._guard.refusal:
            raise self._guard.refusal
        run.check(self._recorder)

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

    def _check_before(self, before, heads):
        if before is not None and set(before) != set(heads):
            raise Refused(
                "moved",
                "the database is at %s, not at %s" % (", ".join(sorted(heads)) or "base", ", ".join(before) or "base"),
            )

    def _prepare(self, context, direction, revision, skipped=False):
        """The migration step, made as Alembic's own upgrade and downgrade make it. One that is taken back without ever
        having run (`skipped`) has nothing to undo: only the version table changes."""
        run = self._run_now
        script = self._script.get_revision(revision)
        run.step = Step(direction, script.revision, script.path)
        run.phase = "step"
        self._recorder.begin_step()
        self._check_possible(direction, script.revision)
        self._load_anew(script)
        function = "downgrade" if direction == "down" else "upgrade"
        if not hasattr(script.module, function):
            raise Refused("no-function", "the script has no %s()" % function)
        os.chdir(self._launch["project"])
        self._guard.begin_step()
        self._traces.begin_step(context.connection)
        self._statements.begin_step(self._launch["effects"], context.version_table)
        run.step.ran_before, self._steps = self._steps, self._steps + 1
        self._channel.tell("start", direction=direction, revision=script.revision, ran_before=run.step.ran_before)
        make = MigrationStep.downgrade_from_script if direction == "down" else MigrationStep.upgrade_from_script
        step = make(self._script.revision_map, script)
        step.migration_fn = run.script(step.migration_fn if not skipped else lambda *_args, **_kw: None, self._children)
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
        """A script that has run before, or was edited since, is loaded again, as a new process would load it. What runs
        is what was read last: a text that cannot be loaded is an error each time."""
        is_edited = self._texts.get(script.path) != self._bytecode.of(script.path)
        if script.revision in self._ran or is_edited:
            try:
                module = load_python_file(os.path.dirname(script.path), os.path.basename(script.path))
            except Exception:
                if is_edited:
                    raise
                # Loaded once already from the same text: that it cannot be loaded twice is no fault of the script.
                if self._successor.is_cheap:
                    raise WornOut()
            else:
                script.module = module
                self._texts[script.path] = self._bytecode.loaded(script.path)
        self._ran.add(script.revision)

    def _ended(self, context):
        """The step and what Alembic notes down of it went through. What it was refused ends it all the same."""
        self._run_now.phase = "step"
        self._guard.check()
        self._guard.end_step()
        self._run_now.phase = "table"
        self._statements.end_step()
        self._run_now.step.left = self._traces.end_step(context.connection)

    def _done(self, say):
        run = self._run_now
        step, run.step = run.step, None
        (self._applied.add if step.direction == "up" else self._applied.discard)(step.revision)
        run.phase = "table"
        say(
            "done",
            direction=step.direction,
            revision=step.revision,
            heads=sorted(self._heads),
            seconds=step.seconds(),
            left=step.left,
            statements=self._statements.told(),
        )

    # Errors

    def _report(self, error):
        run = self._run_now
        error, phase, step = run.caught or (error, run.phase, run.step)
        self._has_failed = self._has_failed or step is not None
        self._traces.break_off()
        refusal = self._guard.refused()
        if refusal is not None:
            fields = dict(describe(refusal, phase, False), kind="wrong-database")
        else:
            fields = describe(error, phase, self._guard.connecting)
        if self._guard.gives_bytes and phase == "env" and isinstance(error, TypeError):
            fields["kind"] = "bytes"
        if not self._launch["network"] and not fields.get("sqlstate") and is_network_missing(error):
            fields["kind"] = "no-network"
        if fields.get("sqlstate") == "25P02":
            fields["swallowed"] = self._recorder.first
        if phase == "env" and not fields.get("hint"):
            fields["hint"] = hint_of(error, self._env_text())
        fields["files"] = origin.raised(chain(error))
        if phase in ("config", "load"):
            # Perhaps the process ends with this, and nobody can ask it then.
            fields["files"] += origin.files()
        run.step = step
        if step is not None:
            fields.update(revision=step.revision, direction=step.direction, ran_before=step.ran_before)
        fields["file"], fields["line"] = self._place(error)
        fields["traceback"] = shown(error)
        fields["heads"] = sorted(self._heads)
        self._channel.answer("error", **fields)

    def _env_text(self):
        try:
            with open(os.path.join(self._script.dir, "env.py"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except (AttributeError, OSError):
            return ""

    def _place(self, error):
        if isinstance(error, SyntaxError) and error.filename:
            return os.path.realpath(error.filename), error.lineno
        if getattr(error, "place", None):
            return error.place
        return self._locate(frames_of_error(error))

    def _locate(self, frames):
        """The last frame in the script of the step; without a step, in any script, else in env.py."""
        step = self._run_now.step
        if step is not None:
            # No frame in it: Alembic was writing its version table, or the commit failed.
            return last_in(frames, lambda file: file == step.path) or (step.path, None)
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
