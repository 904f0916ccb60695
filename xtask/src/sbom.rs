//! What a bundle is made of: its packages with versions, licences and checksums, as cargo knows them; and which licences may be in it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::workspace::{cargo, root};
use crate::{Failure, Outcome};

/// Licences that ask for no more than their text to be passed on.
pub const PERMISSIVE: [&str; 17] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OFL-1.1",
    "Ubuntu-font-1.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// One package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence as an SPDX expression; empty where it names none.
    pub licence: String,
}

/// The packages that the plugin's library links on this system, itself included; with `everything` those of the whole workspace with
/// its build scripts and tests.
pub fn components(everything: bool) -> Result<Vec<Component>, Failure> {
    let mut command = cargo();
    command.args(["tree", "--locked", "--prefix", "none", "--format", "{p}|{l}", "--edges"]);
    command.args(if everything { ["all", "--workspace"] } else { ["normal", "--package=spherescope"] });
    let output = command.output().map_err(|e| Failure::Task(format!("cargo cannot be run: {e}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::Task(format!("cargo tree ended with {}: {said}", output.status)));
    }
    let mut components: Vec<_> = String::from_utf8_lossy(&output.stdout).lines().filter_map(component).collect();
    components.sort();
    components.dedup();
    Ok(components)
}

/// Reads a line such as `ahash v0.8.12 (proc-macro)|MIT OR Apache-2.0 (*)`.
fn component(line: &str) -> Option<Component> {
    let (package, licence) = line.split_once('|')?;
    let mut words = package.split_whitespace();
    let name = words.next()?.to_string();
    let version = words.next()?.strip_prefix('v')?.to_string();
    let licence = licence.trim().strip_suffix("(*)").unwrap_or(licence).trim();
    // An older way to write a choice.
    let licence = licence.replace(" / ", "/").replace('/', " OR ");
    Some(Component { name, version, licence })
}

/// SHA-256 of each package from the registry, by name and version, out of `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut sums = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let field = |name: &str| {
            let line = package.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(" = \""))?;
            line.strip_suffix('"').map(str::to_string)
        };
        if let (Some(name), Some(version), Some(sum)) = (field("name"), field("version"), field("checksum")) {
            sums.insert((name, version), sum);
        }
    }
    sums
}

/// Writes the bill of materials of the plugin's library as CycloneDX 1.5. A licence that is not permissive is an error.
pub fn write(path: &Path) -> Outcome {
    let lock = std::fs::read_to_string(root().join("Cargo.lock"))?;
    let components = components(false)?;
    if let Some(bad) = components.iter().find(|c| !is_permissive(&c.licence)) {
        let Component { name, version, licence } = bad;
        return Err(Failure::Task(format!("{name} {version}: expected a permissive licence, found {licence:?}")));
    }
    let text = cyclone_dx(&components, &checksums(&lock));
    std::fs::write(path, text).map_err(|e| Failure::Task(format!("cannot write {}: {e}", path.display())))
}

fn cyclone_dx(components: &[Component], sums: &BTreeMap<(String, String), String>) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,\n  \"metadata\": {{\"component\": \
         {{\"type\": \"library\", \"bom-ref\": \"spherescope@{version}\", \"name\": \"spherescope\", \"version\": \
         \"{version}\"}}}},\n  \"components\": [\n"
    );
    let others = components.iter().filter(|c| c.name != "spherescope");
    let lines: Vec<String> = others
        .map(|Component { name, version, licence }| {
            let mut line = format!(
                "    {{\"type\": \"library\", \"bom-ref\": {r}, \"name\": {n}, \"version\": {v}",
                r = json(&format!("{name}@{version}")),
                n = json(name),
                v = json(version)
            );
            if !licence.is_empty() {
                let _ = write!(line, ", \"licenses\": [{{\"expression\": {}}}]", json(licence));
            }
            // Packages without a checksum are the workspace's own, and in no registry.
            if let Some(sum) = sums.get(&(name.clone(), version.clone())) {
                let _ = write!(line, ", \"hashes\": [{{\"alg\": \"SHA-256\", \"content\": {}}}]", json(sum));
                let _ = write!(line, ", \"purl\": {}", json(&format!("pkg:cargo/{name}@{version}")));
            }
            line.push('}');
            line
        })
        .collect();
    text.push_str(&lines.join(",\n"));
    text.push_str("\n  ]\n}\n");
    text
}

fn json(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether an SPDX expression can be met with [`PERMISSIVE`] licences alone.
pub fn is_permissive(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    any(&words, &mut at).is_some_and(|met| met && at == words.len())
}

/// `all OR all …`; nothing where the expression is none.
fn any(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut met = all(words, at)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at)?;
    }
    Some(met)
}

/// `one AND one …`.
fn all(words: &[&str], at: &mut usize) -> Option<bool> {
    let mut met = one(words, at)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(words, at)?;
    }
    Some(met)
}

/// A licence, with an exception or without, or an expression in brackets.
fn one(words: &[&str], at: &mut usize) -> Option<bool> {
    let word = *words.get(*at)?;
    *at += 1;
    if word == "(" {
        let met = any(words, at)?;
        (words.get(*at) == Some(&")")).then(|| *at += 1)?;
        return Some(met);
    }
    let mut licence = word.to_string();
    if words.get(*at) == Some(&"WITH") {
        let _ = write!(licence, " WITH {}", words.get(*at + 1)?);
        *at += 2;
    }
    Some(PERMISSIVE.contains(&licence.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dependency_may_be_passed_on() {
        let components = components(true).unwrap();
        assert!(components.len() > 200, "only {} packages were found", components.len());
        let bad: Vec<_> = components.iter().filter(|c| !is_permissive(&c.licence)).collect();
        assert!(bad.is_empty(), "expected permissive licences alone, found {bad:#?}");
        println!("{} packages, all of them permissive", components.len());
    }

    #[test]
    fn cargo_deny_allows_the_same_licences() {
        let text = std::fs::read_to_string(root().join("deny.toml")).unwrap();
        let list = text.split_once("allow = [").unwrap().1.split_once(']').unwrap().0;
        let allowed: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(allowed, PERMISSIVE);
    }

    #[test]
    fn expressions_are_met_or_not() {
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("Apache-2.0 OR GPL-2.0-only", true),
            ("MIT AND GPL-2.0-only", false),
            ("(MIT OR Apache-2.0) AND OFL-1.1 AND Ubuntu-font-1.0", true),
            ("(MIT OR GPL-3.0-only) AND LGPL-2.1", false),
            ("GPL-2.0-only OR MIT AND ISC", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
            ("", false),
            ("MIT OR", false),
            ("(MIT", false),
            ("MIT ISC", false),
        ] {
            assert_eq!(is_permissive(expression), met, "{expression:?}");
        }
    }

    #[test]
    fn lines_and_checksums_become_a_bill() {
        let read = component("a-b v1.2.3 (proc-macro)|MIT/Apache-2.0 (*)").unwrap();
        let expected = Component { name: "a-b".into(), version: "1.2.3".into(), licence: "MIT OR Apache-2.0".into() };
        assert_eq!(read, expected);
        let lock = "version = 4\n\n[[package]]\nname = \"a-b\"\nversion = \"1.2.3\"\nchecksum = \"abc\"\n";
        let text = cyclone_dx(&[read], &checksums(lock));
        assert!(text.contains(r#""licenses": [{"expression": "MIT OR Apache-2.0"}]"#), "{text}");
        assert!(text.contains(r#""content": "abc"}], "purl": "pkg:cargo/a-b@1.2.3""#), "{text}");
        assert_eq!(json("a\"\\\n"), r#""a\"\\\u000a""#);
    }
}
