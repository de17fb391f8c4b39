"""The component's own database as texts name it: URLs, connection strings, command lines."""

import re
import shlex
from urllib.parse import parse_qs, unquote, urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")

URL = re.compile(r"\b(?:\w+:)*(?:postg\w*|pgsql|psql)(?:\+\w+)?://[^\s'\"<>|;)\]}]+", re.IGNORECASE)

# PostgreSQL's programs: whether their first bare word is a database, and the short options that take a value.
OTHERS = "fhpUnNtTFEjSZJ"
PROGRAMS = {
    "psql": (True, "cfFhLopPRTUv"), "pgcli": (True, "hpUD"), "pg_dump": (True, OTHERS), "createdb": (True, "hpUDEOT"),
    "dropdb": (True, "hpU"), "vacuumdb": (True, OTHERS), "reindexdb": (True, OTHERS), "clusterdb": (True, OTHERS),
    "pgbench": (True, "hpUcjTtfDFLMPRsS"), "pg_restore": (False, OTHERS), "pg_dumpall": (False, OTHERS),
}  # fmt: skip


def server(host, port):
    """A host and port so that the same place is written the same way."""
    host = "localhost" if host in LOOPBACK else host
    return host.rstrip("/") if host.startswith("/") else host.lower(), int(port or 5432)


class Own:
    """`here`: the servers of the throwaway database."""

    def __init__(self, here, database, servers, user=None, password=None):
        self.database = database
        self.servers = [server(host, port) for host, port in servers]
        self.user = user
        self.password = password
        # Whether it is on another server than the throwaway database.
        self.is_elsewhere = bool(self.servers) and not {server(*pair) for pair in here} & set(self.servers)
        # The same for another process, which needs no password to know it.
        self.told = {"database": database, "servers": self.servers, "user": user}
        # A connection string, a keyword, an option of a foreign server, `drop database`, psql's `\\c`.
        self._key = re.compile(
            r"(?:\b(?:dbname|database)(?:\s+if\s+exists)?\W{1,4}|\\c(?:onnect)?\s+['\"]?)%s(?![\w-])" % re.escape(database), re.IGNORECASE
        )

    def is_at(self, database, servers):
        """Whether connection parameters lead here; those that name no server lead where the environment says."""
        return database == self.database and bool(servers) and all(pair in self.servers for pair in servers)

    def is_named_in(self, text):
        if not self.database or (self.database not in text and "://" not in text):
            return False
        return bool(
            self._key.search(text)
            or any(self.is_url(found.group()) for found in URL.finditer(text))
            or self._is_given_to_program(text)
        )

    def is_url(self, url):
        try:
            parts = urlsplit("postgresql" + url[url.index("://") :])
            named = parse_qs(parts.query).get("dbname") or [unquote(parts.path.lstrip("/"))]
        except ValueError:
            return False
        return named[-1] == self.database

    def _is_given_to_program(self, text):
        words = words_of(text)
        for at, word in enumerate(words):
            program = PROGRAMS.get(word.rpartition("/")[2])
            if program is not None and self.database in databases(words[at + 1 :], *program):
                return True
        # `sh -c "psql app"`: a word of several words is a command line itself.
        return any(self._is_given_to_program(word) for word in words if " " in word and word != text)


def words_of(text):
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        return list(lexer)
    except ValueError:  # a quote that does not end
        return text.split()


def databases(words, takes_first, valued):
    """The databases that a program's words name."""
    found, bare, words = [], [], iter(words)
    for word in words:
        if set(word) <= set(";&|()<>"):
            break
        name, _, value = word.partition("=")
        if word.startswith("--"):
            if name in ("--dbname", "--maintenance-db"):
                found.append(value or next(words, ""))
        elif word.startswith("-"):
            letter, attached = first_valued(word, valued + "d")
            value = attached or (next(words, "") if letter else "")
            found += [value] if letter == "d" else []
        else:
            bare.append(word)
    return found + (bare[:1] if takes_first else [])


def first_valued(word, valued):
    """The first of an option's letters that takes a value, and what is attached to it: `-XAtc`, `-dapp`."""
    for at, letter in enumerate(word[1:], 2):
        if letter in valued:
            return letter, word[at:]
    return None, ""
