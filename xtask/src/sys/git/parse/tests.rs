//! git's output as it was seen, and what must not be taken for it.

use super::*;

const A: &str = "d00491fd7e5bb6fa28c517a0bb32b8b506539d4d";
const B: &str = "8b137891791fe96927ad78e64b0aad7bded08bdc";
const ZERO: &str = "0000000000000000000000000000000000000000";

fn oid(digits: &str) -> Oid {
    Oid::parse(digits).unwrap()
}

fn shows<T: std::fmt::Debug>(result: Result<T>, text: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(text), "{error:?} lacks {text:?}");
}

#[test]
fn ids_are_40_or_64_small_hex_digits() {
    assert!(Oid::parse(A).is_some());
    assert!(Oid::parse(&"a".repeat(64)).is_some());
    for wrong in ["", "d00491f", &A.to_uppercase(), &"g".repeat(40), &"a".repeat(41)] {
        assert_eq!(Oid::parse(wrong), None, "{wrong}");
    }
    assert_eq!(oid(A).short(), "d00491fd7e");
}

#[test]
fn where_a_checkout_is_line_breaks_in_names_included() {
    let output =
        b"true\n--xtask-field\nsha1\nfalse\n--xtask-field\n/a\nb/.git\n--xtask-field\n/a\nb/.git\n--xtask-field\n\
        /a\nb/.git/hooks\n--xtask-field\n/a\nb\n";
    let found = found(output).unwrap();
    assert_eq!((found.root, found.git_dir), ("/a\nb".into(), "/a\nb/.git".into()));
    assert_eq!((found.is_shallow, found.object_format.as_str()), (false, "sha1"));
    shows(super::found(b"true\n/a/.git\n"), "/a/.git");
    shows(super::found(&output.map(|byte| if byte == b'f' { b'x' } else { byte })), "rev-parse");
}

#[test]
fn versions() {
    assert_eq!(version(b"git version 2.47.3\n").unwrap(), ("2.47.3".to_owned(), (2, 47)));
    assert_eq!(version(b"git version 2.39.3 (Apple Git-146)\n").unwrap().1, (2, 39));
    assert_eq!(version(b"git version 2.47.1.windows.1\n").unwrap().1, (2, 47));
    shows(version(b"gitte version 3\n"), "gitte");
}

#[test]
fn heads() {
    let on = format!("# branch.oid {A}\0# branch.head feature/x\0# branch.upstream origin/x\0");
    assert_eq!(head(on.as_bytes()).unwrap(), Head { branch: Some("feature/x".into()), commit: Some(oid(A)) });
    let detached = format!("# branch.oid {A}\0# branch.head (detached)\0");
    assert_eq!(head(detached.as_bytes()).unwrap(), Head { branch: None, commit: Some(oid(A)) });
    let unborn = b"# branch.oid (initial)\0# branch.head main\0";
    assert_eq!(head(unborn).unwrap(), Head { branch: Some("main".into()), commit: None });
    shows(head(b"# branch.oid x\0"), "branch.oid x");
    shows(head(b"# branch.oid x\0# branch.head y\0"), "`x`");
}

#[test]
fn looked_up_objects() {
    let output = format!("{A} commit\nMERGE_HEAD missing\nHEAD:no such file missing\nab ambiguous\n");
    assert_eq!(batch_check(output.as_bytes(), 4).unwrap(), [Some(oid(A)), None, None, None]);
    shows(batch_check(output.as_bytes(), 3), "batch-check");
    shows(batch_check(b"hello world\n", 1), "hello world");
}

#[test]
fn contents_of_blobs() {
    let output = format!("{A} blob 5\na\0\nb\n\n{B} missing\n{B} blob 0\n\n");
    let asked = [oid(A), oid(B), oid(B)];
    assert_eq!(batch(output.as_bytes(), &asked).unwrap(), [Some(b"a\0\nb\n".to_vec()), None, Some(Vec::new())]);
    shows(batch(format!("{A} blob 99\nshort\n").as_bytes(), &asked[..1]), "blob 99");
    shows(batch(format!("{A} tree 1\nx\n").as_bytes(), &asked[..1]), "tree 1");
    shows(batch(format!("{B} missing\n").as_bytes(), &asked[..1]), "missing");
    shows(batch(format!("{A} missing\nmore\n").as_bytes(), &asked[..1]), "more");
}

#[test]
fn files_of_a_tree() {
    let output = format!("100644 blob {A}\tv/a \"b\"\n.py\0160000 commit {B}\tsub\0120000 blob {B}\tlink\0");
    let files = ls_tree(output.as_bytes()).unwrap();
    assert_eq!(files[0], File { path: "v/a \"b\"\n.py".into(), blob: oid(A), mode: 0o100_644 });
    assert_eq!((files.len(), files[1].mode), (2, 0o120_000));
    shows(ls_tree(b"100644 blob\0"), "100644 blob");
    assert_eq!(ls_tree(b"").unwrap(), []);
}

#[test]
fn changes() {
    let output = format!(
        ":000000 100644 {ZERO} {A} A\0new\0:100644 000000 {A} {ZERO} D\0gone\0:100644 100644 {A} {ZERO} M\0here\0\
         :100644 100644 {A} {B} R086\0old\0moved\0:000000 000000 {ZERO} {ZERO} U\0both\0"
    );
    let changes: Vec<Changed> = raw(output.as_bytes()).unwrap().into_iter().map(|raw| raw.change().unwrap()).collect();
    let expected = [
        Changed::Added { path: "new".into(), blob: Some(oid(A)) },
        Changed::Deleted { path: "gone".into(), blob: oid(A) },
        Changed::Modified { path: "here".into(), before: oid(A), after: None },
        Changed::Renamed { from: "old".into(), path: "moved".into(), before: oid(A), after: Some(oid(B)) },
        Changed::Unmerged { path: "both".into() },
    ];
    assert_eq!(changes, expected);
    shows(raw(b":100644 100644 M\0a\0"), "100644 M");
    shows(raw(format!(":100644 100644 {A} {B} R100\0only\0").as_bytes()), "middle");
    shows(raw(format!(":100644 100644 {A} {B} X\0a\0").as_bytes()).unwrap().remove(0).change(), "`X`");
}

#[test]
fn conflicts() {
    let output = format!("100644 {A} 1\ta b\0100644 {B} 2\ta b\0100644 {A} 3\ta b\0100644 {B} 3\tc\0");
    let [first, second] = &unmerged(output.as_bytes()).unwrap()[..] else { panic!("two files") };
    assert_eq!((&first.base, &first.ours, &first.theirs), (&Some(oid(A)), &Some(oid(B)), &Some(oid(A))));
    assert_eq!((&second.base, &second.ours, &second.theirs), (&None, &None, &Some(oid(B))));
    shows(unmerged(format!("100644 {A} 7\tx\0").as_bytes()), "7");
}

#[test]
fn states() {
    let output = format!(
        "1 .M N... 100644 100644 100644 {A} {A} v/a b.py\x001 A. N... 000000 100644 100644 {ZERO} {B} e.py\0\
         u UU N... 100644 100644 100644 100644 {A} {B} {A} both ways\0? t.py\0! ig/x.py\0"
    );
    let expected = [
        ("v/a b.py", State::Changed { staged: false, unstaged: true }),
        ("e.py", State::Changed { staged: true, unstaged: false }),
        ("both ways", State::Conflicted),
        ("t.py", State::Untracked),
        ("ig/x.py", State::Ignored),
    ];
    assert_eq!(status(output.as_bytes()).unwrap(), expected.map(|(path, state)| (path.into(), state)));
    shows(status(b"3 XX\0"), "3 XX");
    shows(status(b"1 .M N... 100644\0"), "1 .M");
}

#[test]
fn files_in_the_way() {
    let stderr = "error: Your local changes to the following files would be overwritten by merge:\n\tv/a.py\n\tb c\n\
        Please commit your changes or stash them before you merge.\nAborting\n";
    assert_eq!(in_the_way(stderr), ["v/a.py", "b c"]);
    assert_eq!(in_the_way("fatal: something\n\telse\n"), [""; 0]);
}

/// Whatever bytes come, a parser answers or refuses; it does not panic.
#[test]
fn nonsense_is_refused_and_never_a_panic() {
    let pieces: [&[u8]; 12] = [
        b"\0",
        b"\n",
        b"\t",
        b" ",
        A.as_bytes(),
        b"blob",
        b":100644",
        b"R100",
        b"u UU",
        b"? ",
        b"\xff",
        b"9999999999999999999999",
    ];
    let mut seed = 7_u64;
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        let _ = (found(&bytes), version(&bytes), head(&bytes), batch_check(&bytes, 1), batch(&bytes, &[oid(A)]));
        let _ = (ls_tree(&bytes), unmerged(&bytes), status(&bytes), ids("x", &bytes));
        let _ = raw(&bytes).map(|all| all.into_iter().map(Raw::change).collect::<Vec<_>>());
    }
}

#[test]
fn a_merge_that_was_not_made() {
    let tree = Oid::parse(&"8".repeat(40)).unwrap();
    let clean = format!("{tree}\0");
    assert_eq!(merge_tree(clean.as_bytes()).unwrap(), (tree.clone(), Vec::new()));
    let files = format!("{tree}\0a b\0v/\n.py\0");
    let expected = vec![PathBuf::from("a b"), PathBuf::from("v/\n.py")];
    assert_eq!(merge_tree(files.as_bytes()).unwrap(), (tree, expected));
    assert!(merge_tree(b"").is_err() && merge_tree(b"merge-tree: what?\0").is_err());
}
