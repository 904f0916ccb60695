//! The documents say which tests hold what; those tests must be there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The cases of clap-validator 0.4.1.
const CLAP_VALIDATOR: [&str; 44] = [
    "query-nonexistent-factory",
    "create-id-with-trailing-garbage",
    "scan-rtld-now",
    "scan-time",
    "preset-discovery-crawl",
    "preset-discovery-descriptor-consistency",
    "preset-discovery-load",
    "descriptor-consistency",
    "features-categories",
    "features-duplicates",
    "process-audio-basic-out-of-place",
    "process-audio-basic-in-place",
    "process-audio-double-out-of-place",
    "process-audio-double-in-place",
    "process-audio-denormals",
    "process-sleep-constant-mask",
    "process-sleep-process-status",
    "process-note-out-of-place-basic",
    "process-note-inconsistent",
    "process-note-wildcard",
    "process-varying-sample-rates",
    "process-varying-block-sizes",
    "process-random-block-sizes",
    "process-reset-reactivate",
    "layout-audio-ports-activation",
    "layout-audio-ports-config",
    "layout-configurable-audio-ports",
    "param-set-events",
    "param-set-no-cookies",
    "param-set-wrong-namespace",
    "param-fuzz-basic",
    "param-fuzz-bounds",
    "param-fuzz-sample-accurate",
    "param-fuzz-modulation",
    "param-conversions",
    "param-default-values",
    "state-invalid-empty",
    "state-invalid-random",
    "state-reproducibility-basic",
    "state-reproducibility-binary",
    "state-reproducibility-buffered",
    "transport-null",
    "transport-fuzz",
    "transport-fuzz-sample-accurate",
];

/// The cases of pluginval 1.0.3.
const PLUGINVAL: [&str; 22] = [
    "Plugin info",
    "Plugin programs",
    "Editor",
    "Open editor whilst processing",
    "Audio processing",
    "Non-releasing audio processing",
    "Plugin state",
    "Plugin state restoration",
    "Automation",
    "Editor Automation",
    "Automatable Parameters",
    "Parameters",
    "Background thread state",
    "Parameter thread safety",
    "auval",
    "vst3 validator",
    "Basic bus",
    "Editor stress",
    "Editor DPI Awareness",
    "Allocations during process",
    "Process called with a larger than prepared block size",
    "Fuzz parameters",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows below a heading of docs/hosts.md's tables: cases and what holds them.
fn rows(heading: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("docs/hosts.md")).unwrap();
    let table = text.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |"))).skip(2);
    let mut rows = BTreeMap::new();
    for line in table.take_while(|line| line.starts_with('|')) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (cases, held) = (cells.next().unwrap(), cells.next().unwrap());
        for case in cases.split(", ") {
            rows.insert(case.split(" (").next().unwrap().to_string(), held.to_string());
        }
    }
    rows
}

/// Checks that each test that a cell names is in the file that the cell names before it; returns how many it names.
fn check(case: &str, held: &str) -> usize {
    let (mut file, mut named) = (None::<String>, 0);
    for word in held.split('`').skip(1).step_by(2) {
        if word.ends_with(".rs") || word.ends_with(".py") {
            let path = if word.contains('/') { root().join(word) } else { root().join("tests/tests").join(word) };
            file = Some(std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{case}: {}: {e}", path.display())));
        } else if word.contains('_') && !word.contains(|c: char| c.is_ascii_uppercase() || c == ' ') {
            let text = file.as_ref().unwrap_or_else(|| panic!("{case}: `{word}` has no file before it"));
            assert!(
                text.contains(&format!("fn {word}(")) || text.contains(&format!("def {word}(")),
                "{case}: no `{word}`"
            );
            named += 1;
        }
    }
    named
}

#[test]
fn every_case_of_the_validators_is_held_by_a_test_that_is_there_or_does_not_apply() {
    for (heading, cases) in [("clap-validator", &CLAP_VALIDATOR[..]), ("pluginval", &PLUGINVAL[..])] {
        let rows = rows(heading);
        // A short name goes on from the one before it: "process-note-…-basic, -inconsistent".
        let held = |case: &str| {
            let short = || rows.iter().find(|(name, _)| name.starts_with('-') && case.ends_with(name.as_str()));
            rows.get(case).or_else(|| short().map(|(_, held)| held))
        };
        for case in cases {
            let held = held(case).unwrap_or_else(|| panic!("{heading}: {case} is not in the table"));
            let named = check(case, held);
            let excused = ["do not apply", "does not apply", "not run here", "every test loads", "the same"];
            assert!(named > 0 || excused.iter().any(|e| held.starts_with(e) || held.contains(e)), "{case}: {held}");
        }
    }
}
