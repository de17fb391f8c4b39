//! What is there stays as it is, to the byte, and taking out gives back what was there.

use super::{Shared, manifest_of_copy};

/// Ours is put in once, and taken out without a trace.
fn in_and_out(shared: Shared, before: &str, after: &str) {
    let there = shared.put_in(before).unwrap().unwrap_or_else(|| panic!("already in {before}"));
    assert_eq!(there, after);
    assert_eq!(shared.put_in(&there), Ok(None), "a second time");
    assert_eq!(shared.take_out(&there).as_deref(), Ok(before));
}

fn refused(shared: Shared, text: &str, why: &str) {
    let conflict = shared.put_in(text).unwrap_err();
    assert!(conflict.why.contains(why), "{}", conflict.why);
}

#[test]
fn manifest() {
    let fresh = Shared::Manifest.put_in("").unwrap().unwrap();
    assert!(fresh.contains("members = [\"xtask\", \"xtask/launcher\"]") && !fresh.contains("metadata"), "{fresh}");
    in_and_out(Shared::Manifest, "", &fresh);
    in_and_out(
        Shared::Manifest,
        "[workspace]\nmembers = [ \"a\", 'b' ] # two\nresolver = \"2\"\n",
        "[workspace]\nmembers = [ \"a\", 'b', \"xtask\", \"xtask/launcher\" ] # two\nresolver = \"2\"\n",
    );
    in_and_out(
        Shared::Manifest,
        "workspace.members = [\n    # the first\n    \"a\",\n    \"b\", # and this\n]\n",
        "workspace.members = [\n    # the first\n    \"a\",\n    \"b\",\n    \"xtask\",\n    \"xtask/launcher\", # and this\n]\n",
    );
    in_and_out(
        Shared::Manifest,
        "[package]\nname = \"p\"\n\n[dependencies]\n",
        "[package]\nname = \"p\"\n\n[dependencies]\n\n[workspace]\nmembers = [\"xtask\", \"xtask/launcher\"]\n",
    );
    for there in ["members = [\"crates/*\", \"./xtask/\", 'xtask/launcher']", "members = ['x*', 'xtask/*']"] {
        assert_eq!(Shared::Manifest.put_in(&format!("[workspace]\n{there}\n")), Ok(None), "{there}");
    }
    assert!(Shared::Manifest.put_in("[workspace]\nmembers = ['crates/*', '*x']\n").unwrap().is_some());
    // A copy of before there was a launcher.
    let older = fresh.replace(", \"xtask/launcher\"", "");
    assert_eq!(Shared::Manifest.put_in(&older), Ok(Some(fresh)));
    refused(Shared::Manifest, "[workspace]\nexclude = ['xtask']\n", "exclude");
    refused(Shared::Manifest, "[workspace\n", "no TOML");
    refused(Shared::Manifest, "workspace = 1\n", "no table");
    refused(Shared::Manifest, "[workspace]\nmembers = 'xtask'\n", "no array");
}

#[test]
fn alias() {
    let alias = "xtask = \"run --quiet --package xtask-launcher --\"\n";
    in_and_out(Shared::Alias, "", &format!("[alias]\n{alias}"));
    in_and_out(Shared::Alias, "[alias]\nt = 'test'\n", &format!("[alias]\nt = 'test'\n{alias}"));
    in_and_out(Shared::Alias, "[net]\nretry = 3 # thrice\n", &format!("[net]\nretry = 3 # thrice\n\n[alias]\n{alias}"));
    let words = "[alias]\nxtask = ['run', '--quiet', '--package', 'xtask-launcher', '--']\n";
    assert_eq!(Shared::Alias.put_in(words), Ok(None));
    let older = "[alias]\nt = 'test'\nxtask = \"run --quiet --package xtask --bin xtask --\"\n";
    assert_eq!(Shared::Alias.put_in(older), Ok(Some(format!("[alias]\nt = 'test'\n{alias}"))));
    refused(Shared::Alias, "[alias]\nxtask = 'run --package their-tasks --'\n", "their-tasks");
}

/// Files of Windows keep the ends of their lines; of two kinds in one file neither is taken for right.
#[test]
fn ends_of_lines() {
    in_and_out(
        Shared::Manifest,
        "[workspace]\r\nmembers = [\"a\"]\r\n",
        "[workspace]\r\nmembers = [\"a\", \"xtask\", \"xtask/launcher\"]\r\n",
    );
    in_and_out(Shared::Ignored, "*.pyc\r\nout", "*.pyc\r\nout\r\n/target/");
    let alias = "# mine\r\n[alias]\r\nb = \"build\"\r\n";
    let there = Shared::Alias.put_in(alias).unwrap().unwrap();
    assert!(there.starts_with(alias) && there.ends_with("--\"\r\n"), "{there:?}");
    assert_eq!(Shared::Alias.take_out(&there).as_deref(), Ok(alias));
    refused(Shared::Manifest, "[workspace]\r\nmembers = []\n", "1 of its lines");
}

#[test]
fn ignored() {
    in_and_out(Shared::Ignored, "", "/target/\n");
    in_and_out(Shared::Ignored, "*.pyc\n", "*.pyc\n/target/\n");
    in_and_out(Shared::Ignored, "*.pyc", "*.pyc\n/target/");
    in_and_out(Shared::Ignored, "*.pyc\r\n", "*.pyc\r\n/target/\r\n");
    for there in ["target\n", "/target/ \n", "a\ntarget/\nb\n"] {
        assert_eq!(Shared::Ignored.put_in(there), Ok(None), "{there}");
    }
}

#[test]
fn the_copies_of_the_manifests_need_nothing_outside() {
    let launcher = manifest_of_copy(include_str!("../../../launcher/Cargo.toml")).unwrap();
    assert!(!launcher.contains("workspace = true") && launcher.contains("[[bin]]"), "{launcher}");
    let copy = manifest_of_copy(include_str!("../../../Cargo.toml")).unwrap();
    assert!(!copy.contains("../") && !copy.contains("workspace = true"), "{copy}");
    assert!(copy.contains("[dependencies]") && copy.contains("name = \"xtask\""), "{copy}");
}
