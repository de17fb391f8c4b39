//! Small Alembic projects in temporary folders:
//!
//! ```ignore
//! let project = Project::new(&cluster().url("asyncpg", &database))
//!     .revision("a1", "", "op.execute('create table t (id int)')", "op.execute('drop table t')")
//!     .revision("b1", "a1", "pass", "raise NotImplementedError");
//! ```
//!
//! Every one has `alembic.ini`, `migrations/env.py` (async if the URL's driver is asyncpg) and `migrations/versions/`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A project folder; it goes when this is dropped.
pub struct Project {
    root: PathBuf,
}

/// env.py as `alembic init` makes it.
pub const SYNC: &str = "
from alembic import context
from sqlalchemy import engine_from_config, pool

config = context.config
target_metadata = None

def offline():
    context.configure(url=config.get_main_option('sqlalchemy.url'), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()

def online():
    engine = engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.', poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=target_metadata)
        with context.begin_transaction():
            context.run_migrations()

offline() if context.is_offline_mode() else online()
";

/// env.py as `alembic init -t async` makes it.
pub const ASYNC: &str = "
import asyncio
from alembic import context
from sqlalchemy import pool
from sqlalchemy.ext.asyncio import async_engine_from_config

config = context.config

def run(connection):
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()

async def online():
    engine = async_engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.', poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

if context.is_offline_mode():
    context.configure(url=config.get_main_option('sqlalchemy.url'), literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(online())
";

impl Project {
    /// A project without revisions whose config holds `url`.
    pub fn new(url: &str) -> Project {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xtp-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let root = super::temporary().join(name);
        std::fs::create_dir_all(root.join("migrations/versions")).unwrap();
        super::xtask::as_backend_ai(&root);
        let project = Project { root: root.canonicalize().unwrap() };
        let env = if url.contains("+asyncpg") { ASYNC } else { SYNC };
        project.file("alembic.ini", &config("migrations", url)).file("migrations/env.py", env)
    }

    /// The project's root.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a file of the project is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Writes any file.
    pub fn file(self, name: &str, text: &str) -> Project {
        self.write(name, text);
        self
    }

    /// Writes any file, later on.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Another env.py.
    pub fn env(self, text: &str) -> Project {
        self.file("migrations/env.py", text)
    }

    /// A revision; `down` is empty for a base and `a,b` for a merge, the bodies are those of the two functions.
    pub fn revision(self, id: &str, down: &str, upgrade: &str, downgrade: &str) -> Project {
        self.write_revision(id, down, upgrade, downgrade);
        self
    }

    /// A revision, written or overwritten later on. The body of `upgrade()` begins in line 7.
    pub fn write_revision(&self, id: &str, down: &str, upgrade: &str, downgrade: &str) {
        let functions = format!("def upgrade():\n{}\ndef downgrade():\n{}\n", indented(upgrade), indented(downgrade));
        self.write(&path(id), &text(&format!("revision {id}"), id, down, &functions));
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// An Alembic config with a folder and a URL.
pub fn config(folder: &str, url: &str) -> String {
    let url = url.replace('%', "%%");
    format!("[alembic]\nscript_location = {folder}\nprepend_sys_path = .\nsqlalchemy.url = {url}\n")
}

/// The path of a revision's script in its project.
pub fn path(id: &str) -> String {
    format!("migrations/versions/{id}.py")
}

/// A revision's script: its docstring, its parents (none, `a`, or `a,b` for a merge) and all that follows.
pub fn text(docstring: &str, id: &str, down: &str, rest: &str) -> String {
    let parents = down.split([',', ' ']).filter(|id| !id.is_empty()).map(|id| format!("'{id}'")).collect::<Vec<_>>();
    let parents = match parents.as_slice() {
        [] => "None".to_owned(),
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    };
    format!(
        "\"\"\"{docstring}\"\"\"\nimport sqlalchemy as sa\nfrom alembic import op\nrevision = '{id}'\n\
         down_revision = {parents}\n{rest}"
    )
}

fn indented(body: &str) -> String {
    body.trim_matches('\n').lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
