//! The table of commands and flags: names, values, help. Nothing else in the program names a flag.

/// A flag as it is shown and checked.
pub struct FlagRow {
    /// With its dashes.
    pub long: &'static str,
    /// With its dash.
    pub short: Option<&'static str>,
    /// What its value is called; `None` for a switch.
    pub value: Option<&'static str>,
    /// The values it takes, if they can be listed.
    pub allowed: &'static [&'static str],
    /// One or two lines, no full stop.
    pub help: &'static str,
}

/// A command as it is shown and checked.
pub struct CommandRow {
    /// As it is typed.
    pub name: &'static str,
    /// One line for the overview.
    pub summary: &'static str,
    /// A paragraph or two.
    pub about: &'static str,
    /// The words it takes besides flags.
    pub positional: &'static [&'static str],
    /// Its own flags.
    pub flags: &'static [FlagRow],
    /// Common flags that make no sense here.
    pub without: &'static [&'static str],
    /// Command lines worth showing.
    pub examples: &'static [(&'static str, &'static str)],
}

impl CommandRow {
    /// Whether a common flag makes sense here.
    pub fn takes(&self, common: &FlagRow) -> bool {
        !self.without.contains(&common.long)
    }
}

const fn switch(long: &'static str, help: &'static str) -> FlagRow {
    FlagRow { long, short: None, value: None, allowed: &[], help }
}

const fn option(long: &'static str, value: &'static str, help: &'static str) -> FlagRow {
    FlagRow { long, short: None, value: Some(value), allowed: &[], help }
}

const fn choice(
    long: &'static str,
    value: &'static str,
    allowed: &'static [&'static str],
    help: &'static str,
) -> FlagRow {
    FlagRow { long, short: None, value: Some(value), allowed, help }
}

const fn with_short(short: &'static str, flag: FlagRow) -> FlagRow {
    FlagRow { short: Some(short), ..flag }
}

const STEP_TIMEOUT: FlagRow =
    option("--step-timeout", "DUR", "how long one revision may take: 500ms, 30s, 2m (no limit unless given)");

/// The flags that (nearly) every command takes.
pub const COMMON: &[FlagRow] = &[
    with_short(
        "-c",
        option("--component", "NAME", "which component: manager (default), accountmgr, appproxy, or your own"),
    ),
    option("--project", "DIR", "project root; found upwards from the working directory unless given"),
    option("--python", "PATH", "the interpreter that runs Alembic; found unless given"),
    choice(
        "--server",
        "WHICH",
        &["configured", "embedded"],
        "which PostgreSQL: `configured` (the one in sqlalchemy.url) or `embedded` (our own, started on demand)",
    ),
    switch("--json", "one JSON object on stdout, nothing else there"),
    with_short("-q", switch("--quiet", "no progress")),
    with_short("-v", switch("--verbose", "show every command that is run, pasteable, secrets left out")),
    choice("--color", "WHEN", &["auto", "always", "never"], "auto (default), always or never; NO_COLOR is honoured"),
    with_short("-y", switch("--yes", "answer yes to a confirmation")),
    with_short("-h", switch("--help", "show this")),
];

/// The commands, in the order of the overview.
pub const COMMANDS: &[CommandRow] = &[
    CommandRow {
        name: "db-status",
        summary: "current revision, head, pending migrations, state; needs no Python",
        about: "Reads the migration scripts and asks the database one question. Starts no Python and changes nothing.\n\
                Exits 0 whatever the state is, 1 if the database cannot be asked, 4 with --check unless up-to-date.",
        positional: &[],
        flags: &[switch("--all", "every component that has a config"), switch("--check", "exit 4 unless up-to-date")],
        without: &["--yes"],
        examples: &[
            ("Where is the manager's database?", "cargo xtask db-status"),
            ("All three at once, for a script", "cargo xtask db-status --all --check --json"),
        ],
    },
    CommandRow {
        name: "db-migrate",
        summary: "pre-flight, upgrade or downgrade, verify, report",
        about: "Checks first (connection, one head, every revision known, nobody else at work; for a downgrade also: nobody\n\
                connected, a backup taken), then lets Alembic run the revisions in the project's own transaction mode, then\n\
                verifies that the database is where it should be. A target is what Alembic takes: head, heads, base, a full\n\
                or partial revision id, +N, -N, REV+N, REV-N, LABEL@head; -N through a merge revision works here.",
        positional: &[],
        flags: &[
            choice("--direction", "WAY", &["upgrade", "downgrade"], "upgrade (default) or downgrade"),
            option("--target", "T", "where to go: head (default), base, a revision, +N, -N, REV+N, REV-N, LABEL@head"),
            switch("--dry-run", "list what would run; for a downgrade, what each script would drop"),
            switch("--sql", "print Alembic's offline SQL instead of running it"),
            switch("--no-backup", "take no backup before a downgrade"),
            switch("--allow-remote", "go on though the database is not on this machine"),
            switch("--allow-connections", "downgrade though other sessions are connected"),
            option("--lock-timeout", "DUR", "how long a statement may wait for a lock (30s unless given)"),
            STEP_TIMEOUT,
        ],
        without: &[],
        examples: &[
            ("Apply what is pending", "cargo xtask db-migrate"),
            ("Another component", "cargo xtask db-migrate --component=appproxy"),
            ("Take back the last revision", "cargo xtask db-migrate --direction=downgrade --target=-1"),
            ("Look before you leap", "cargo xtask db-migrate --dry-run"),
        ],
    },
    CommandRow {
        name: "db-roundtrip",
        summary: "prove that revisions go up, down and up again and leave schema and rows as they were",
        about: "Works on a throwaway database: a clone of the component's, or one built by its baseline command, from a dump,\n\
                or from empty by upgrade; never on your own, unless --in-place says so. What took long to build stays on the\n\
                server as a template (xtask_baseline_...) until something that it was made of changes. Each revision is taken\n\
                down and up again, schema and rows are compared, and every difference is named with its object, revision and\n\
                step. Exits 4 when it found something, or when there was nothing to test.",
        positional: &[],
        flags: &[
            option("--steps", "N", "the newest N revisions"),
            option("--from", "REV", "from this revision up to the head, both included"),
            switch("--all", "the whole history"),
            option(
                "--since",
                "GITREF",
                "the revisions this branch adds; in a git checkout the default is those since the main branch, else the head",
            ),
            option(
                "--partition",
                "K/N",
                "only the K-th of N parts, for several machines: each revision is in one of them",
            ),
            option(
                "--jobs",
                "N",
                "N walkers side by side, each on a database and with a Python of its own (1 unless given)",
            ),
            switch(
                "--resume",
                "take over the verdicts of an interrupted run of the same revisions, test only the rest",
            ),
            switch("--in-place", "on the component's own database, after a backup and a confirmation"),
            switch(
                "--watch",
                "stay, and run the newest revision again whenever its file or what it imports changes; Ctrl-C ends it",
            ),
            option("--junit", "FILE", "also write the report as JUnit XML"),
            option("--html", "FILE", "also write the report as one HTML page"),
            option(
                "--baseline",
                "FILE",
                "begin with what this dump holds (SQL text or pg_dump's own formats), not with a clone",
            ),
            switch("--no-cache", "make the baseline anew, and do not keep it on the server for the next run"),
            switch("--clear-cache", "drop the cached baselines on the component's server, and do nothing else"),
            switch("--keep", "keep the scratch database and say how to connect"),
            STEP_TIMEOUT,
        ],
        without: &[],
        examples: &[
            ("The newest revision", "cargo xtask db-roundtrip"),
            ("The newest five of another component", "cargo xtask db-roundtrip -c appproxy --steps 5"),
            ("While you write a revision", "cargo xtask db-roundtrip --watch"),
        ],
    },
    CommandRow {
        name: "db-rebase",
        summary: "make diverged heads one again",
        about: "Your own unreleased revisions move on top of the released head; only their `down_revision` changes. What is\n\
                released is told from git (the merge base with the main branch, release tags) and never edited: where released\n\
                revisions have diverged themselves, an empty merge revision joins the heads. A database that holds a moved\n\
                revision goes down with the old scripts and up with the new ones. A journal is kept: whatever happens,\n\
                --resume goes on or --abort takes everything back.",
        positional: &[],
        flags: &[
            option("--onto", "REV", "put everything else on this revision; or the git branch that released work is on"),
            switch("--merge", "make an empty merge revision instead of moving any"),
            switch("--dry-run", "show what would be done"),
            switch("--no-db", "leave the database alone and say what to run"),
            switch("--allow-dirty", "edit files though they have changes that are not in git"),
            switch("--resume", "go on with one that did not end"),
            switch("--abort", "take one back that did not end"),
        ],
        without: &[],
        examples: &[
            ("After a merge that left two heads", "cargo xtask db-rebase"),
            ("Look before you leap", "cargo xtask db-rebase --dry-run"),
            ("Without git: everything else on top of this revision", "cargo xtask db-rebase --onto=9c41"),
        ],
    },
    CommandRow {
        name: "db-merge",
        summary: "the whole merge: git merge, db-status, db-rebase, db-roundtrip, db-migrate, db-status",
        about: "Merges BRANCH without committing it, makes diverged heads of every component one again, proves on a throwaway\n\
                database that the moved revisions go down and up again, and migrates every database to the head. Without\n\
                BRANCH it goes on from where git is: in the middle of a merge, a rebase or a cherry-pick, or behind it. At a\n\
                conflict, or whatever else stops it, --continue goes on from there and --abort takes files, databases and\n\
                the merge back. It commits nothing unless told; edited scripts are put into the index of what git is doing.",
        positional: &["BRANCH"],
        flags: &[
            switch("--dry-run", "say what would conflict, diverge and move, and touch nothing"),
            switch("--continue", "go on with one that stopped"),
            switch("--abort", "take one back that stopped"),
            switch("--commit", "commit the merge when all is done"),
            switch("--no-db", "leave the databases alone and say what to run"),
            switch("--no-roundtrip", "prove nothing about the moved revisions"),
        ],
        without: &[],
        examples: &[
            ("Take main into your branch, migrations and databases with it", "cargo xtask db-merge main"),
            ("After the files in conflict were resolved", "cargo xtask db-merge --continue"),
            ("In the middle of a rebase that stopped", "cargo xtask db-merge"),
            ("Look before you leap", "cargo xtask db-merge main --dry-run"),
        ],
    },
    CommandRow {
        name: "db-create-migration",
        summary: "a new revision from what the models say, reviewed on the spot",
        about: "Lets Alembic compare the models with a throwaway database that the migrations have just made (so that nothing\n\
                done by hand to your own counts) and write the script, with the project's env.py, template and file names. Then\n\
                says what is in it, what db-check finds, what looks like a rename, and where models and database still differ\n\
                in what autogenerate does not compare. Where nothing has changed no file is made (exit 0). Exits 4 when the\n\
                review finds an error; the file stays for you to correct.",
        positional: &[],
        flags: &[
            with_short("-m", option("--message", "TEXT", "what the migration does; needed")),
            switch("--empty", "two empty functions to be filled by hand; needs no database"),
            option("--rev-id", "ID", "the revision's id (made by Alembic unless given)"),
            switch("--roundtrip", "prove at once that it goes down and up again"),
            switch("--add", "git add the new file"),
        ],
        without: &["--yes"],
        examples: &[
            ("After a change of the models", "cargo xtask db-create-migration -m \"add email to users\""),
            ("To be written by hand, and proven later", "cargo xtask db-create-migration --empty -m \"fill emails\""),
            ("With the proof", "cargo xtask db-create-migration --roundtrip -m \"add email to users\""),
        ],
    },
    CommandRow {
        name: "db-check",
        summary: "static checks of the migration scripts; needs no Python and no database",
        about: "Reads the scripts and asks git, and names for each finding what is wrong, why it bites and the fix. Rules and\n\
                their codes are in docs/rules/; a project sets their weight in [workspace.metadata.db.rules], one script\n\
                switches a rule off by a comment: # xtask: allow CODE: reason. Rules of taste say nothing about scripts that\n\
                are on the main branch already. Exits 4 when there is an error; warnings alone exit 0.\n\
                With --models it answers another question instead: is there a change of the models without a migration? That\n\
                does take Python, and a throwaway database that the migrations have made.",
        positional: &[],
        flags: &[
            switch("--all", "every component (with --staged and --base that is so unless one is named)"),
            switch("--staged", "what would be committed, and of that only what the last commit did not have"),
            option("--base", "GITREF", "only what is new since a branch, tag or commit"),
            switch("--models", "only this: does a migration lack for what the models say? Needs Python and a server"),
            switch("--released", "rules of taste, too, on scripts that are on the main branch already"),
            choice(
                "--format",
                "FORMAT",
                &["text", "json", "github", "junit", "sarif"],
                "text (default), json, github (annotations), junit, sarif",
            ),
            option("--explain", "CODE", "all about one rule, by its code or name"),
        ],
        without: &["--yes"],
        examples: &[
            ("Before a commit", "cargo xtask db-check --staged"),
            ("In CI, on a pull request", "cargo xtask db-check --base origin/main --format github"),
            ("Is there a change of the models without a migration?", "cargo xtask db-check --models"),
            ("What is this about?", "cargo xtask db-check --explain DB101"),
        ],
    },
    CommandRow {
        name: "db-server",
        summary: "the embedded PostgreSQL: start, stop, status, psql",
        about: "A PostgreSQL of our own, on a private Unix socket, with its data under target/. Commands start and stop it\n\
                by themselves; `start` keeps it up. `psql` opens a session on the component's database.",
        positional: &["start|stop|status|psql"],
        flags: &[],
        without: &[],
        examples: &[("Keep it up and look inside", "cargo xtask db-server start && cargo xtask db-server psql")],
    },
    CommandRow {
        name: "hooks",
        summary: "git hooks: install, uninstall, status",
        about: "pre-commit judges the scripts that are about to be committed (db-check --staged). post-checkout, post-merge and\n\
                post-rewrite say in one line when a database is behind, diverged or at a revision that no script here has, and\n\
                nothing otherwise. pre-push, only with --pre-push, makes a round trip of the revisions that are pushed. Hooks\n\
                that are there already are kept and run first; uninstall puts them back as they were. A hook runs the built\n\
                binary and never compiles; without it, or without its database, it stops nothing. docs/guides/hooks.md has more.",
        positional: &["install|uninstall|status"],
        flags: &[switch("--pre-push", "with install: the round trip before a push as well")],
        without: &["--component", "--python", "--server", "--yes"],
        examples: &[
            ("All but the slow one", "cargo xtask hooks install"),
            ("How do they stand?", "cargo xtask hooks status"),
        ],
    },
    CommandRow {
        name: "doctor",
        summary: "each tool, version, config and connection: a line and a fix each",
        about: "Looks at everything the other commands need and says what is there, what is missing and what to do about it.\n\
                Exits 4 when something that is needed is missing.",
        positional: &[],
        flags: &[],
        without: &["--component"],
        examples: &[],
    },
    CommandRow {
        name: "ci",
        summary: "what CI runs: formatting, clippy with warnings denied, all tests",
        about: "For this project's own developers. Each part is a named and timed section.",
        positional: &[],
        flags: &[],
        without: &["--component", "--project", "--python", "--server", "--json", "--yes"],
        examples: &[],
    },
    CommandRow {
        name: "help",
        summary: "this overview, or one command in full",
        about: "Shows the overview, or all about one command.",
        positional: &["COMMAND"],
        flags: &[],
        without: &["--component", "--project", "--python", "--server", "--json", "--yes"],
        examples: &[],
    },
];
