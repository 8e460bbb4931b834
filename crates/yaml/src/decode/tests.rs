//! Decoding rules, checked on small records.

use std::collections::BTreeMap;

use proptest::prelude::{any, prop, proptest};

use super::*;
use crate::{Entries, Secret, Tree};

crate::record! {
    /// A record with checks.
    #[derive(Debug, Clone, PartialEq)]
    struct Job: "config.Job", checked "config.plain" {
        name: String => keep "name";
        port: i64 = 80 => omit "port";
        on: bool => omit "on";
        tags: Vec<String> => omit "tags";
        labels: BTreeMap<String, String> => omit "labels";
        password: Secret => omit "password";
        part: Part => inline;
    }
}

crate::record! {
    /// A record that is inlined.
    #[derive(Debug, Clone, PartialEq)]
    struct Part: "config.Part", open {
        path: crate::FilePath => omit "path";
    }
}

crate::record! {
    /// The top.
    #[derive(Debug, Clone, PartialEq)]
    struct Top: "config.Top", open {
        x: Tree => omit "x";
        base: Option<Job> => omit "base";
        jobs: Entries<Job> => omit "jobs";
    }
}

impl Job {
    fn check(&mut self) -> Result<(), String> {
        if self.name.is_empty() {
            Err("name is empty".to_owned())
        } else {
            Ok(())
        }
    }
}

fn top(text: &str, dialect: Dialect) -> Result<Top, String> {
    let mut value = Top::default();
    decode(text, dialect, true, &mut value).map_err(|err| err.to_string())?;
    Ok(value)
}

fn refuses(text: &str, expected: &str) {
    assert_eq!(
        top(text, Dialect::V2).map(|_| ()),
        Err(expected.to_owned()),
        "{text}"
    );
}

#[test]
fn defaults_stay_and_scalars_become_text_as_written() {
    let text = "jobs:\n- name: 0123\n  tags: [yes, 1.10, ~, 'q']\n  on: yes\n  labels: {a: 1}\n";
    let value = top(text, Dialect::V2).expect("valid");
    let job = &value.jobs[0];
    assert_eq!((job.name.as_str(), job.port, job.on), ("0123", 80, true));
    assert_eq!(job.tags, ["yes", "1.10", "", "q"]);
    assert_eq!(job.labels["a"], "1");
}

#[test]
fn type_errors_are_reported_all_at_once() {
    refuses(
        "jobs:\n- name: a\n  port: x\n  nope: 1\n  name: b\n- tags: foo\n",
        "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `x` into int\n  \
         line 4: field nope not found in type config.plain\n  \
         line 5: field name already set in type config.plain\n  \
         line 6: cannot unmarshal !!str `foo` into []string",
    );
}

#[test]
fn checks_run_after_clean_decoding_and_carry_the_place() {
    let mut value = Top::default();
    let err = decode("jobs:\n- port: 1\n", Dialect::V2, true, &mut value).expect_err("no name");
    assert_eq!(err.to_string(), "name is empty");
    assert_eq!(err.place(), Some((2, 3)));
}

#[test]
fn null_entries_are_remembered_and_null_clears() {
    let value = top("jobs: [~]\nbase: null\n", Dialect::V2).expect("valid");
    assert!(value.jobs.has_null());
    assert_eq!(value.base, None);
    assert!(top("jobs:\n", Dialect::V2).expect("valid").jobs.is_empty());
}

#[test]
fn merge_keys_follow_each_dialect() {
    let text = "base: &b {name: base, port: 1}\njobs:\n- name: own\n  <<: *b\n";
    let port = |dialect| {
        let value = top(text, dialect).expect("valid");
        (value.jobs[0].name.clone(), value.jobs[0].port)
    };
    assert_eq!(port(Dialect::V2), ("base".to_owned(), 1));
    assert_eq!(port(Dialect::V3), ("own".to_owned(), 1));
    refuses(
        "jobs:\n- <<: 5\n",
        "yaml: map merge requires map or sequence of maps as the value",
    );
}

#[test]
fn aliases_are_followed_within_bounds() {
    let value = top("base: &a {name: n}\njobs: [*a, *a]\n", Dialect::V2).expect("valid");
    assert_eq!(value.jobs.len(), 2);
    refuses("base: *nope\n", "yaml: unknown anchor 'nope' referenced");
    refuses("x: &a [*a]\n", "yaml: anchor 'a' value contains itself");
    let mut bomb = "x:\n- &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("- &a{level} [{items}]\n"));
    }
    refuses(&bomb, "yaml: document contains excessive aliasing");
    refuses(&"[".repeat(100_000), "yaml: exceeded max depth of 200");
}

#[test]
fn repeated_map_keys_are_errors() {
    refuses(
        "jobs:\n- name: a\n  labels: {a: 1, a: 2}\n",
        "yaml: unmarshal errors:\n  line 3: key \"a\" already set in map",
    );
    assert_eq!(
        top("jobs: []\njobs: []\n", Dialect::V3).map(|_| ()),
        Err(
            "yaml: unmarshal errors:\n  line 2: mapping key \"jobs\" already defined at line 1"
                .to_owned()
        )
    );
}

#[test]
fn syntax_errors_name_the_line() {
    refuses(
        "a: b: c\n",
        "yaml: mapping values are not allowed in this context",
    );
    refuses(
        "jobs:\n- name: [\n",
        "yaml: line 2: did not find expected node content",
    );
    refuses("jobs: \"\n", "yaml: line 2: found unexpected end of stream");
}

#[test]
fn secrets_print_hidden_and_paths_are_visited() {
    let text = "base: {name: nn, password: hunter2, path: a/b}\n";
    let mut value = top(text, Dialect::V2).expect("valid");
    value.visit_paths(&mut |path| path.insert_str(0, "/etc/"));
    let printed = crate::to_text(&value.encode());
    assert_eq!(
        printed,
        "base:\n  name: nn\n  port: 80\n  password: <secret>\n  path: /etc/a/b\n"
    );
    assert!(!format!("{value:?}").contains("hunter2"));
}

#[test]
fn cut_and_flipped_seeds_never_panic() {
    let seed = "x: &a {<<: *a, k: [1, !!binary /w==, \"\\x41\", |\n  b\n]}\njobs: [~, *a]\n# é\n";
    for at in 0..seed.len() {
        let mut bytes = seed.as_bytes().to_vec();
        let cut = String::from_utf8_lossy(&bytes[..at]).into_owned();
        let _ = top(&cut, Dialect::V2);
        bytes[at] ^= 0x15;
        let _ = top(&String::from_utf8_lossy(&bytes), Dialect::V3);
    }
}

proptest! {
    #[test]
    fn any_text_decodes_or_is_refused(text in any::<String>(), parts in prop::collection::vec(
        prop::sample::select(vec!["a: ", "\n", "- ", "&x ", "*x", "[", "]", "{", "}", "<<: ", "\"", "|", "!!int ", "  ", "~", "jobs:"]), 0..40)) {
        let _ = top(&text, Dialect::V2);
        let _ = top(&parts.concat(), Dialect::V2);
        let _ = top(&parts.concat(), Dialect::V3);
    }

    #[test]
    fn what_is_printed_reads_back(text in "[ -~\n\u{e9}\u{4e00}]{0,40}") {
        let printed = crate::to_text(&Tree::Map(vec![("k".to_owned(), Tree::Text(text.clone()))]));
        let mut back: BTreeMap<String, String> = BTreeMap::new();
        decode(&printed, Dialect::V2, true, &mut back).expect("printed text is valid");
        assert_eq!(back["k"], text, "{printed}");
    }
}
