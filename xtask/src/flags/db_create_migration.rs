//! `db-create-migration`.

use super::Command;
use super::spec::{Set, Spec, option, switch, with_short};
use super::values::usage;
use crate::model::action::own;

#[derive(Clone, Debug, Default)]
pub struct DbCreateMigration {
    /// What the migration does, in a line.
    pub message: String,
    /// Its id, where Alembic is not to make one.
    pub rev_id: Option<String>,
    /// The revision that it follows, as Alembic's command line has it; else the one head.
    pub head: Option<String>,
    /// It may follow a revision that is no head.
    pub splice: bool,
    pub depends_on: Vec<String>,
    /// Two empty functions, to be filled by hand.
    pub empty: bool,
    /// Prove at once that it goes down and up again.
    pub roundtrip: bool,
    /// Add the file to git.
    pub add: bool,
}

pub static SPEC: Spec<DbCreateMigration> = Spec {
    flags: &[
        with_short(
            "-m",
            option(
                "--message",
                "TEXT",
                "what the migration does; needed",
                Set::By(|create, text| {
                    text.clone_into(&mut create.message);
                    Ok(())
                }),
            ),
        ),
        switch("--empty", "two empty functions to be filled by hand; needs no database", |create| &mut create.empty),
        option(
            "--rev-id",
            "ID",
            "the revision's id (made by Alembic unless given)",
            Set::Text(|create| &mut create.rev_id),
        ),
        option(
            "--head",
            "REV",
            "the revision that it follows, LABEL@head for one of several lines (the one head unless given)",
            Set::Text(|create| &mut create.head),
        ),
        switch("--splice", "with --head: it may follow a revision that others follow, too", |create| {
            &mut create.splice
        }),
        option("--depends-on", "REV", "a revision of another line that has to run before it; may be repeated", {
            Set::Texts(|create| &mut create.depends_on)
        }),
        switch("--roundtrip", "prove at once that it goes down and up again", |create| &mut create.roundtrip),
        switch("--add", "git add the new file", |create| &mut create.add),
    ],
    without: &["--yes"],
    examples: &[
        ("After a change of the models", "cargo xtask db-create-migration -m \"add email to users\""),
        ("To be written by hand, and proven later", "cargo xtask db-create-migration --empty -m \"fill emails\""),
        ("On one of several lines", "cargo xtask db-create-migration --head billing@head -m \"add invoices\""),
        ("With the proof", "cargo xtask db-create-migration --roundtrip -m \"add email to users\""),
    ],
    ..Spec::new(
        "db-create-migration",
        "a new revision from what the models say, reviewed on the spot",
        "Lets Alembic compare the models with a throwaway database that the migrations have just made (so that nothing\n\
         done by hand to your own counts) and write the script, with the project's env.py, template and file names. Then\n\
         says what is in it, what db-check finds, what looks like a rename, and where models and database still differ\n\
         in what autogenerate does not compare. Where nothing has changed no file is made (exit 0). Exits 4 when the\n\
         review finds an error; the file stays for you to correct.",
        |flags| {
            if flags.message.trim().is_empty() {
                return Err(usage("`db-create-migration` needs a message: -m TEXT")
                    .details("It becomes the file's name and the first line of its docstring")
                    .run(
                        "Say what the migration does",
                        own("db-create-migration").words(["-m", "add email to users"]),
                    ));
            }
            Ok(Command::DbCreateMigration(flags))
        },
    )
};
