"""The wall round a throwaway database: whatever a script opens past SQLAlchemy leads to it or nowhere.

The environment leads to it (`surroundings`), whoever calls a database driver directly gets a connection only if the server
itself says that it is the announced database (`gates`), and a program, a socket or a library that is to be told the address
of the component's own database is not started (`exits`). A Python that a script starts stands behind the same wall
(`child/sitecustomize.py`). What goes past all that, xtask notices in the own database itself.
"""

import json
import os

from xtask_driver import exits, gates
from xtask_driver.own import Own
from xtask_driver.surroundings import Surroundings

# How another Python learns of the wall.
VARIABLE = "XTASK_WALL"
# What it is started with, so that it does.
CHILD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "child")


class WrongDatabase(Exception):
    """env.py (or a script) turned to another database than the announced one."""

    def __init__(self, wanted):
        super().__init__("refused to connect to %s" % wanted)
        self.wanted = wanted


class Wall:
    """`refused` is told of every attempt, whatever the script does with the exception."""

    def __init__(self, refused):
        self._refused = refused
        self._expect = None
        self._surroundings = Surroundings()
        # The component's own databases: the one that was cloned, the one that the config names.
        self.own = ()
        # Where other processes write down what they were refused.
        self.log = None

    def install(self):
        gates.install(self)
        exits.install(self)

    def stand_round(self, launch):
        """From now on round this database; round none where it is the component's own."""
        throwaway = launch.get("throwaway")
        self._expect = launch["expect"] if throwaway else None
        if not throwaway:
            self._surroundings.leave()
            return
        here = [tuple(pair) for pair in launch["expect"]["servers"]]
        self.own = tuple(Own(here, **one) for one in throwaway["own"])
        self.log = self.log or os.path.join(launch["state_dir"], "refused-%d" % os.getpid())
        self._surroundings.lead_to(launch["url"], self.own, self._for_children())

    def forget(self):
        """Round nothing, and as if it had never stood."""
        self._surroundings.leave()
        self._expect, self.own, self.log = None, (), None
        exits.forget()

    def settle(self):
        """Puts right what was added to the environment since: some applications read a file into it."""
        if self._expect is not None:
            self._surroundings.settle()

    def _for_children(self):
        told = {"expect": self._expect, "own": [own.told for own in self.own], "log": self.log}
        return {VARIABLE: json.dumps(told), "PYTHONPATH": CHILD}

    @classmethod
    def of_parent(cls, text):
        """The wall in a Python that was started behind it."""
        told = json.loads(text)

        def refused(refusal):
            wall.write_down(refusal)

        wall = cls(refused)
        wall._expect, wall.log = told["expect"], told["log"]
        here = [tuple(pair) for pair in wall._expect["servers"]]
        wall.own = tuple(Own(here, **one) for one in told["own"])
        return wall

    def stands(self):
        return self._expect is not None

    def lead(self, driver, params, database, servers):
        """Connection parameters that name an own database lead to the throwaway one, whatever else they say. False where
        they name none."""
        own = next((own for own in self.own if own.is_at(database, servers)), None) if self.stands() else None
        if own is not None:
            self._surroundings.lead(driver, params, own.is_elsewhere)
        return own is not None

    def refuse(self, wanted):
        refusal = WrongDatabase(wanted)
        self._refused(refusal)
        raise refusal

    def write_down(self, refusal):
        """For the process that serves xtask."""
        try:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(refusal.wanted.replace("\n", " ") + "\n")
        except OSError:
            pass  # what it did not reach it did not reach

    def written_down(self):
        """The first refusal that another process has written down since this was last asked; None if there is none."""
        try:
            with open(self.log, encoding="utf-8") as file:
                wanted = file.readline().strip()
            os.unlink(self.log)
        except (OSError, TypeError):
            return None
        return WrongDatabase(wanted)

    def look_at(self, text, by):
        """Refuses a text (a command line, a statement, an address) that names the component's own database."""
        for own in self.own:
            if own.is_named_in(text):
                self.refuse("database %s, by %s" % (own.database, by))

    # A connection that was made

    def question(self):
        """What a new connection is asked; None where no wall stands."""
        if self._expect is None:
            return None
        identity = self._expect["identity_sql"] if self._expect.get("identity") else "''"
        return "select current_database()::text || ' ' || (%s)" % identity

    def check(self, answer):
        database, _, identity = answer.partition(" ")
        expected = self._expect.get("identity") or ""
        if database != self._expect["database"] or identity != expected:
            self.refuse("database %s, by %s" % (database, gates.DIRECT))

    def check_name(self, database):
        """The same of a connection that cannot be asked yet."""
        if database != self._expect["database"]:
            self.refuse("database %s, by %s" % (database, gates.DIRECT))
