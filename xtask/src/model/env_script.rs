//! Reads env.py's text without running it: whether it surely takes its database from the config, and whether it
//! migrates several databases.

/// Whether env.py makes its engine of the config's section and has nothing in it that could name another database. Where
/// this is not sure, the answer is no: env.py is asked then.
pub fn follows_the_config(text: &str) -> bool {
    const ELSEWHERE: [&str; 9] = [
        "create_engine(",
        "create_async_engine(",
        "set_main_option",
        "set_section_option",
        "environ",
        "getenv",
        "get_url",
        ".connect(**",
        "url_override",
    ];
    let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let code = code.join("\n");
    let makes_it = code.contains("engine_from_config(") && code.contains("get_section(");
    makes_it && !ELSEWHERE.iter().any(|word| code.contains(word)) && only_reads_the_url(&code)
}

/// Whether env.py runs the migrations for one engine after another, as Alembic's template `multidb` and Flask-Migrate's do.
pub fn is_for_several(text: &str) -> bool {
    text.lines().map(str::trim_start).any(|line| !line.starts_with('#') && line.contains("run_migrations(engine_name="))
}

/// The option's name may stand where it is read, and nowhere else: `section["sqlalchemy.url"] = …` would set it.
fn only_reads_the_url(code: &str) -> bool {
    let mut before = code.split("sqlalchemy.url");
    let count = code.matches("sqlalchemy.url").count();
    let read = |text: &str| text.trim_end_matches(['"', '\'']).trim_end().ends_with("get_main_option(");
    before.by_ref().take(count).all(read)
}

#[cfg(test)]
mod tests {
    use super::{follows_the_config, is_for_several};

    const PLAIN: &str = "
# from environ, says a comment
url = config.get_main_option(\"sqlalchemy.url\")
engine = engine_from_config(config.get_section(config.config_ini_section), prefix='sqlalchemy.')
";

    #[test]
    fn only_what_is_sure() {
        assert!(follows_the_config(PLAIN));
        for more in [
            "config.set_main_option('sqlalchemy.url', x)",
            "section['sqlalchemy.url'] = x",
            "import os; os.environ['A']",
            "engine = create_engine(x)",
        ] {
            assert!(!follows_the_config(&format!("{PLAIN}{more}\n")), "{more}");
        }
        assert!(is_for_several("    context.run_migrations(engine_name=name)\n"));
        assert!(!is_for_several("# run_migrations(engine_name=name)\ncontext.run_migrations()\n"));
        assert!(!follows_the_config("engine = settings.engine"));
        assert!(!follows_the_config("engine_from_config({}, prefix='x.')"));
    }
}
