"""A warm Python that has imported a project: the scripts and the modules that they and env.py import. It stays when the
first command on the project has ended, and imports then what env.py has imported in that one, in the same order.

A script that has changed since is read again in the child, unless it was the one to import something.
"""

import importlib
import json
import os
import select
import signal
import sys
import time

from xtask_driver import looks, origin, process
from xtask_driver.surroundings import put
from xtask_driver.told import imported
from xtask_driver.warm import AGE, GLANCE, Parent, differing, has_children, take_streams


class Record:
    """What is read while a project is imported."""

    def __init__(self):
        self.variables = looks.Variables()
        self.opened = looks.Opened()

    def stop(self):
        self.variables.stop()
        self.opened.stop()


class ProjectParent(Parent):
    """`known`: what a parent with packages only has looked at, where this process comes from one."""

    def __init__(self, wanted, record, session, known):
        super().__init__(wanted, record.variables)
        self._record = record
        self._session = session
        self._known = known
        # What is done from here on is not the project's.
        record.opened.stop()
        self._reading, writing = os.pipe()
        session.tell_imports_to(writing)

    def let_go(self):
        """In the process that goes on with the command."""
        self._record.stop()
        os.close(self._reading)

    def project(self):
        return self._wanted["project"]

    def reads_at_start(self):
        # In the command's own environment, of which every variable counts here.
        return False

    def kept(self):
        return super().kept() + [self._wanted["project"]]

    def is_kept(self, number):
        return number == self._reading or super().is_kept(number)

    def prepare(self):
        told = self._wait()
        self._record.opened.go_on()
        # An import that does not end ends this process.
        signal.alarm(AGE)
        if not self._import(told):
            return False
        signal.alarm(0)
        self._record.stop()
        if self._record.opened.beyond:
            return False
        if self._known and self._known.changed():
            return False
        ours = os.path.join(os.path.abspath(self._wanted["state"]), "")
        opened = {path for path in self._record.opened.files if not path.endswith(".pyc") and not path.startswith(ours)}
        scripts = self._session.script_places()
        # A script that another one imports is a module, too, which stays as it was.
        modules = {os.path.realpath(path) for path in map(origin.path_of, list(sys.modules.values())) if path}
        places = looks.places(opened | set(self._session.config_places())) - (scripts - modules)
        self.looks = looks.Looks(places, self._record.opened.folders - scripts)
        self._scripts = looks.Looks(scripts)
        self._values = self._read.read_in(os.environ)
        for look in (self.looks, self._scripts):
            if look.changed_since(self._loaded_since, self._known) is not None:
                return False
        return process.can_fork() and not has_children()

    def _wait(self):
        """What env.py has imported, after the command has ended; None where it has not run."""
        told, poll = b"", select.poll()
        poll.register(self._reading, select.POLLIN)
        while time.monotonic() < self._until:
            if poll.poll(GLANCE * 1000):
                more = os.read(self._reading, 1 << 16)
                told += more
                if not more:
                    os.close(self._reading)
                    # A process that has taken the place of the first says it again.
                    return json.loads(told.partition(b"\n")[0]) if told else None
        return None

    def _import(self, told):
        """Imports that; whether it has come to the same."""
        if told is None or told["changes_environment"]:
            return False
        before, path = set(sys.modules), list(sys.path)
        sys.path[:] = told["path"]
        for name, _file in told["modules"]:
            importlib.import_module(name)
        sys.path[:] = path
        self._disabled = told["disabled"]
        return {tuple(module) for module in told["modules"]} == set(imported(before))

    def differing_variables(self, request):
        return differing(told_apart(self._wanted["environment"]), told_apart(request["environment"]))

    def take_place(self, request, files):
        wanted = self._wanted["environment"]
        environment = request["environment"]
        changed = self.looks.changed()
        if changed:
            return "%s has changed" % changed
        for name in set(wanted) | set(environment):
            if wanted.get(name) != environment.get(name):
                put(name, environment.get(name))
        process.ENVIRONMENT = dict(self._added, **environment)
        take_streams(request, files)
        self._session.aim_again(request["launch"], self._disabled)
        changed = differing(self._values, self._read.read_in(os.environ))
        if changed:
            return "%s was read while the project was imported and has changed" % changed
        changed = self._scripts.all_changed()
        heavy = changed & self._session.scripts_that_import()
        if heavy:
            return "%s has changed" % min(heavy)
        request["scripts_changed"] = bool(changed)
        return None


def told_apart(environment):
    """Variables that a project may have read."""
    return {name: value for name, value in environment.items() if name not in looks.NOISE and not name.startswith("XTASK_")}
