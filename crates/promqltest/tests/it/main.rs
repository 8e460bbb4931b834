//! Runs the project's own scripts.

mod known;

use std::path::Path;

use promqltest::{RunOptions, run_file, run_text};

#[test]
fn our_own_scripts_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let report = run_file(&path, &RunOptions::default()).unwrap();
        assert_eq!(report.failed, [], "{}", path.display());
        assert!(report.passed > 0, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "no scripts found");
}

#[test]
fn wrong_expectations_fail_with_their_line() {
    let script = "load 1m\n  a 1\n\neval instant at 0 a\n  a 2\n\neval instant at 0 b\n";
    let report = run_text(script, &RunOptions::default()).unwrap();
    assert_eq!(report.passed, 1);
    assert_eq!(
        report
            .failed
            .iter()
            .map(|(line, _)| *line)
            .collect::<Vec<_>>(),
        [4]
    );
}

#[test]
fn floats_only_leaves_histograms_and_experiments_out() {
    let script = "load 1m\n  h {{count:1}}\n  f 1\n\neval instant at 0 h\n  h {{count:1}}\n\n\
        eval instant at 0 count(h)\n  {} 1\n\neval instant at 0 limitk(1, f)\n  f 1\n\n\
        eval instant at 0 f\n  f 1\n";
    let report = run_text(script, &RunOptions { floats_only: true }).unwrap();
    assert_eq!(
        (report.passed, report.left_out),
        (1, 3),
        "{:?}",
        report.failed
    );
    let report = run_text(script, &RunOptions::default()).unwrap();
    assert_eq!(
        (report.passed, report.left_out),
        (4, 0),
        "{:?}",
        report.failed
    );
}
