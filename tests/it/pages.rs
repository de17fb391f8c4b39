//! The pages and pictures in a real browser: nothing is wider than its window, nothing is complained of or fetched, keys reach
//! everything, what is folded opens and prints. `XTASK_TEST_SHOTS=DIR cargo test pages::` leaves pictures of them there, for
//! somebody to look at.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::not_run;
use crate::support::python::{READERS, environment};
use crate::support::scene::{Scene, sql};

const WIDTHS: [u32; 2] = [420, 1100];

/// A branch with a revision of each kind, with messages that a page has to bear.
fn branch() -> Scene {
    let scene = Scene::new().table("a1", "").on_topic();
    let wide = ("alter table a1 add wide varchar(64) not null default 'a'", "alter table a1 drop wide");
    let careless = ("alter table a1 drop wide", "alter table a1 add wide text");
    let scene = scene
        .revision("b2", "a1", &sql(wide.0), &sql(wide.1))
        .revision("c3", "b2", &sql(careless.0), &sql(careless.1))
        .revision("d4", "c3", &sql("create table d4 (n int)"), "raise NotImplementedError('the keys are gone')")
        .revision("e5", "c3", "pass", "pass")
        .revision("m6", "d4,e5", "pass", "pass");
    for (id, message) in [
        ("b2", "Sessions have a wide column, of which a downgrade can say nothing but that it goes"),
        ("c3", &"w".repeat(300)),
        ("d4", "세션에 메모를 남긴다 <script>alert(1)</script> & \\u202egnp.exe"),
    ] {
        let path = scene.path(&format!("migrations/versions/{id}.py"));
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text.replacen(&format!("revision {id}"), message, 1)).unwrap();
    }
    scene
}

#[test]
fn in_a_browser() {
    let Some(mut browser) = Browser::start() else {
        return not_run("there is no Chromium: apt-get install chromium");
    };
    let scene = branch();
    drop(scene.run("db-roundtrip --all --html roundtrip.html").code(4));
    drop(scene.run("db-review --html review.html --markdown review.md").code(4));
    drop(scene.run("db-history --svg history.svg").code(0));
    let axe = axe();
    for page in ["roundtrip.html", "review.html"] {
        let file = scene.path(page);
        for width in WIDTHS {
            fits(&mut browser, &file, width);
        }
        for scheme in ["light", "dark"] {
            passes_axe(&mut browser, &file, scheme, &axe);
        }
        is_for_everybody(&mut browser, &file);
        can_be_printed(&mut browser, &file);
    }
    keys_narrow_down(&mut browser, &scene.path("roundtrip.html"));
    browser.open(&scene.path("history.svg"), (1100, 700), "dark", "screen");
    shot(&mut browser, "history-1100-dark");
    assert_eq!(browser.ask("document.documentElement.tagName"), "svg");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// Nothing is wider than the window, but what scrolls by itself; dark is dark.
fn fits(browser: &mut Browser, file: &Path, width: u32) {
    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        browser.open(file, (width, 900), scheme, "screen");
        assert_eq!(browser.complaints(), Vec::<String>::new(), "{}", file.display());
        shot(browser, &format!("{}-{width}-{scheme}", file.file_stem().unwrap().to_str().unwrap()));
        papers.push(browser.ask("getComputedStyle(document.body).backgroundColor"));
        let wide = "[...document.querySelectorAll('body *')].filter(it => !it.closest('.graph svg') && \
                    it.getBoundingClientRect().right > innerWidth + 1).map(it => it.outerHTML.slice(0, 200))";
        assert_eq!(browser.ask(wide), json!([]), "{} at {width}", file.display());
        assert_eq!(browser.ask("document.documentElement.scrollWidth > innerWidth"), false, "{width}");
    }
    assert_ne!(papers[0], papers[1]);
}

/// What somebody needs who does not see the page, or has no mouse.
fn is_for_everybody(browser: &mut Browser, file: &Path) {
    browser.open(file, (1100, 900), "light", "screen");
    let nameless = "[...document.querySelectorAll('input')].filter(it => !it.labels.length).length + \
         [...document.querySelectorAll('svg')].filter(it => !document.getElementById(it.getAttribute('aria-labelledby'))).length + \
         [...document.querySelectorAll('th')].filter(it => !it.scope).length";
    assert_eq!(browser.ask(nameless), 0);
    let ids = "(ids => ids.length - new Set(ids).size)([...document.querySelectorAll('[id]')].map(it => it.id))";
    assert_eq!(browser.ask(ids), 0, "an id is there twice");
    assert_eq!(browser.ask("document.documentElement.lang"), "en");
    // Everything that opens or scrolls is reached by Tab, and Enter opens it.
    let wanted = browser.ask("document.querySelectorAll('summary, .graph').length").as_u64().unwrap();
    let mut reached = 0;
    let mut opened = false;
    for _ in 0..wanted + 5 {
        browser.press("Tab");
        let seen = "(seen => { const it = document.activeElement; if (it.matches('summary, .graph')) seen.add(it); return seen.size })\
                    (window.seen ??= new Set())";
        reached = browser.ask(seen).as_u64().unwrap();
        if !opened && browser.ask("document.activeElement.matches('details:not([open]) > summary')") == true {
            browser.press("Enter");
            opened = browser.ask("document.activeElement.parentElement.open") == true;
            assert!(opened, "Enter does not open it");
        }
    }
    assert!(wanted > 2 && opened, "{wanted}");
    assert_eq!(reached, wanted, "{}", file.display());
}

/// The script of axe-core, which looks for what keeps people out of a page: another version may be named in `XTASK_TEST_AXE`.
fn axe() -> String {
    let named = std::env::var_os("XTASK_TEST_AXE").map(PathBuf::from);
    let file = named.unwrap_or_else(|| {
        let python = environment(READERS);
        let libraries = std::fs::read_dir(python.parent().unwrap().with_file_name("lib")).unwrap();
        let of_python = libraries.map(|entry| entry.unwrap().path()).find(|path| path.join("site-packages").is_dir());
        of_python.unwrap().join("site-packages/axe_core_python/axe.min.js")
    });
    std::fs::read_to_string(file).unwrap()
}

/// axe-core finds nothing: names, roles, headings, contrast, and what else its rules of WCAG 2.1 A and AA and its good practice are.
fn passes_axe(browser: &mut Browser, file: &Path, scheme: &str, axe: &str) {
    browser.open(file, (1100, 900), scheme, "screen");
    browser.ask("document.querySelectorAll('details').forEach(it => it.open = true)");
    browser.ask(axe);
    let found = browser.ask("axe.run().then(it => window.told = it)");
    assert!(found["passes"].as_array().unwrap().iter().any(|rule| rule["id"] == "color-contrast"), "{found}");
    let wrong = "told.violations.flatMap(rule => rule.nodes.map(it => `${rule.id}: ${it.target} ${it.html.slice(0, 99)} ${it.failureSummary}`))";
    assert_eq!(browser.ask(wrong), json!([]), "{} {scheme}", file.display());
    drop(browser.complaints());
}

/// On paper what is folded is unfolded, and nothing is there that only a screen can use.
fn can_be_printed(browser: &mut Browser, file: &Path) {
    browser.open(file, (794, 1123), "light", "print");
    shot(browser, &format!("{}-print", file.file_stem().unwrap().to_str().unwrap()));
    let hidden = "[...document.querySelectorAll('details:not([open]) > :not(summary)')].filter(it => !it.getBoundingClientRect().height).length";
    assert_eq!(browser.ask(hidden), 0, "{}", file.display());
    let buttons =
        "[...document.querySelectorAll('.filter + label')].filter(it => it.getBoundingClientRect().height).length";
    assert_eq!(browser.ask(buttons), 0);
}

/// The verdicts are buttons of one group: Tab goes there, an arrow takes the next, and only its rows stay.
fn keys_narrow_down(browser: &mut Browser, file: &Path) {
    browser.open(file, (1100, 900), "light", "screen");
    browser.press("Tab");
    assert_eq!(browser.ask("document.activeElement.id"), "f-all");
    let rows = "[...document.querySelectorAll('main > table > tbody > tr')].filter(it => it.getClientRects().length).map(it => it.classList[0])";
    assert_eq!(browser.ask(rows).as_array().unwrap().len(), 6);
    for _ in 0..2 {
        browser.press("ArrowRight");
        let name = browser.ask("document.activeElement.id").as_str().unwrap().replacen("f-", "v-", 1);
        let shown = browser.ask(rows);
        let shown = shown.as_array().unwrap();
        assert!(!shown.is_empty() && shown.len() < 6 && shown.iter().all(|class| *class == name), "{name}: {shown:?}");
    }
    shot(browser, "roundtrip-narrowed");
}

fn shot(browser: &mut Browser, name: &str) {
    if let Some(folder) = std::env::var_os("XTASK_TEST_SHOTS") {
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), browser.picture()).unwrap();
    }
}
