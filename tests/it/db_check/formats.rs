//! The formats for other programs: as they are to be, and as their readers want them.

use expect_test::expect;
use serde_json::Value;

use super::{check, project};
use crate::support::project::Project;
use crate::support::python::{READERS, environment, read_as_junit, workspace};

/// An error, and a warning whose text holds what has to be escaped.
fn two_findings() -> Project {
    project().revision("a1", "", "op.execute(f\"SELECT '<&' || {x}\")", "op.drop_table('t')").revision(
        "b1",
        "a1",
        "op.drop_table('t')",
        "pass",
    )
}

#[test]
fn github() {
    let output = check(&two_findings(), "--format github").code(4);
    expect![[r#"
        ::warning file=migrations/versions/a1.py,line=7,title=DB411 interpolated-sql::SQL is put together with {x}: a quote in the value breaks the statement, or makes it another one, and nobody can read here what will run%0ABind it: conn.execute(sa.text("… = :value"), {"value": value}); a name that cannot be bound is written out, or quoted by the dialect's identifier_preparer
        ::error file=migrations/versions/b1.py,line=8,title=DB401 downgrade-missing::downgrade() does nothing while upgrade() changes the structure: the database is then recorded as older than it is, and the next upgrade meets what is there already%0AWrite the way back, or say that there is none: raise NotImplementedError("why")
    "#]].assert_eq(&output.stdout);
    assert_eq!(check(&project(), "--format github").code(0).stdout, "\n", "nothing to annotate");
}

#[test]
fn junit() {
    let output = check(&two_findings(), "--format junit").code(4);
    let (failures, rest) = output.stdout.split_once("    <testcase classname=\"db-check.DB101\"").unwrap();
    expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites tests="46" failures="1" errors="0">
          <testsuite name="db-check" tests="46" failures="1" errors="0" skipped="0">
            <testcase classname="db-check.DB411" name="interpolated-sql migrations/versions/a1.py:7" file="migrations/versions/a1.py" line="7">
              <system-out>migrations/versions/a1.py:7: SQL is put together with {x}: a quote in the value breaks the statement, or makes it another one, and nobody can read here what will run&#10;help: Bind it: conn.execute(sa.text(&quot;… = :value&quot;), {&quot;value&quot;: value}); a name that cannot be bound is written out, or quoted by the dialect's identifier_preparer</system-out>
            </testcase>
            <testcase classname="db-check.DB401" name="downgrade-missing migrations/versions/b1.py:8" file="migrations/versions/b1.py" line="8">
              <failure type="DB401" message="downgrade() does nothing while upgrade() changes the structure: the database is then recorded as older than it is, and the next upgrade meets what is there already">migrations/versions/b1.py:8: downgrade() does nothing while upgrade() changes the structure: the database is then recorded as older than it is, and the next upgrade meets what is there already&#10;help: Write the way back, or say that there is none: raise NotImplementedError(&quot;why&quot;)</failure>
            </testcase>
    "#]].assert_eq(failures);
    assert!(rest.ends_with("/>\n  </testsuite>\n</testsuites>\n"), "{output}");
    let folder = project();
    folder.write("out.xml", &output.stdout);
    let cases = read_as_junit(&folder.path("out.xml"));
    let failed = cases.iter().find(|(_, end)| end == "Failure").unwrap();
    assert_eq!((cases.len(), failed.0.as_str()), (46, "downgrade-missing migrations/versions/b1.py:8"));
}

#[test]
fn sarif() {
    let output = check(&two_findings(), "--format sarif").code(4);
    let log = output.json();
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(results.len(), 2);
    for result in results {
        // What the schema calls required, and what code scanning services ask for beyond it.
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().starts_with("migrations/versions/"));
        let base = place["artifactLocation"]["uriBaseId"].as_str().unwrap();
        assert!(run["originalUriBaseIds"].get(base).is_some());
    }
    let texts = |value: &Value| value["shortDescription"]["text"].as_str().is_some_and(|text| text.ends_with('.'));
    assert!(rules.iter().all(texts), "{rules:?}");
}

/// Whatever a line of a script holds, no format hands on what acts, and none is as long as the line.
#[test]
fn a_line_without_end() {
    let line = format!("op.execute(f\"drop table {{x}} {}\")  # \u{1b}[2J\u{202e}", "w".repeat(200_000));
    let project = project().revision("a1", "", &line, "op.drop_table('t')");
    for format in ["text", "json", "github", "junit", "sarif"] {
        let output = check(&project, &format!("--format {format}"));
        assert!(output.stdout.len() < 150_000, "{format}: {} bytes", output.stdout.len());
        assert!(!output.stdout.contains(['\u{1b}', '\u{202e}']), "{format}: {output}");
    }
}

/// What the standard's own schema says of a log, in the words of Python's `jsonschema`: nothing where it is right.
fn against_the_schema(log: &Value) -> String {
    const ASK: &str = "import json, sys, jsonschema\n\
        schema, log = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))\n\
        for error in jsonschema.Draft4Validator(schema).iter_errors(log): print(error.json_path, error.message)";
    let folder = project();
    let file = folder.root().join("log.sarif");
    std::fs::write(&file, log.to_string()).unwrap();
    let python = environment(READERS);
    #[expect(clippy::disallowed_methods)]
    let mut command = std::process::Command::new(python);
    // As it is published: https://json.schemastore.org/sarif-2.1.0-rtm.5.json
    command.args(["-c", ASK]).arg(workspace().join("tests/it/db_check/sarif-2.1.0-rtm.5.json")).arg(&file);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn sarif_is_what_the_published_schema_asks_for() {
    let log = check(&two_findings(), "--format sarif").code(4).json();
    assert_eq!(against_the_schema(&log), "");
    let nothing = check(&project(), "--format sarif").code(0).json();
    assert_eq!(against_the_schema(&nothing), "");

    // And the schema does look: a level that there is none of, a line before the first.
    let mut wrong = log.clone();
    wrong["runs"][0]["results"][0]["level"] = "grave".into();
    wrong["runs"][0]["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0.into();
    let complaints = against_the_schema(&wrong);
    assert!(complaints.contains("'grave' is not one of") && complaints.contains("startLine"), "{complaints}");
}
