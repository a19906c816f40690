//! docs/kernel.md against the tests on the real kernel: what its last column names exists, and what
//! exists is named there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use lastout_tests::tools;

/// The facts that this project has to show on a running kernel.
const SHOWN: [RangeInclusive<u32>; 8] =
    [1..=30, 34..=38, 42..=55, 58..=60, 66..=66, 69..=90, 96..=99, 109..=110];

/// The K numbers in a text.
fn facts(text: &str) -> BTreeSet<u32> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.strip_prefix('K')?.parse().ok()).collect()
}

/// The facts that functions of tests are named after.
fn tested(directory: &Path, found: &mut BTreeSet<u32>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tested(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap_or_default();
        for part in text.split("#[test]").skip(1) {
            let name = part.split("fn ").nth(1).unwrap_or_default();
            let number = name.strip_prefix('k').and_then(|name| name.split('_').next());
            found.extend(number.and_then(|number| number.parse::<u32>().ok()));
        }
    }
}

/// The scores, and the facts that they are about.
fn scores() -> BTreeMap<String, BTreeSet<u32>> {
    let all = fs::read_dir(tools::workspace().join("tests/parity")).unwrap();
    let all = all.map(|entry| entry.unwrap().path());
    let all = all.filter(|path| path.extension().is_some_and(|extension| extension == "score"));
    all.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let remarks: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        (path.file_stem().unwrap().to_str().unwrap().to_owned(), facts(&remarks.join(" ")))
    })
    .collect()
}

#[test]
fn what_the_page_says_is_shown_on_linux_is() {
    let text = fs::read_to_string(tools::workspace().join("docs/kernel.md")).unwrap();
    let (text, _) = text.split_once("## Other kernels").expect("that section");
    let mut names: BTreeSet<u32> = BTreeSet::new();
    for directory in ["facts", "facts_more", "shells"] {
        tested(&tools::workspace().join("tests/tests").join(directory), &mut names);
    }
    let scores = scores();
    let mut shown = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| K")) {
        let cells: Vec<_> = line.split(" | ").collect();
        let numbers = facts(cells[0]);
        let told: BTreeSet<&str> = cells.last().unwrap().split('`').skip(1).step_by(2).collect();
        let mut should: BTreeSet<String> =
            numbers.intersection(&names).map(|number| format!("k{number:03}_")).collect();
        let about = scores.iter().filter(|(_, about)| !about.is_disjoint(&numbers));
        should.extend(about.map(|(name, _)| name.clone()));
        let should: BTreeSet<&str> = should.iter().map(String::as_str).collect();
        assert_eq!(told, should, "the last column of {}", cells[0]);
        shown.extend(numbers.intersection(&names).copied());
    }
    let missing: Vec<_> = SHOWN.into_iter().flatten().filter(|n| !shown.contains(n)).collect();
    assert!(missing.is_empty(), "no test on a running kernel for K{missing:?}");
    let unknown: Vec<_> = names.difference(&shown).collect();
    assert!(unknown.is_empty(), "tests of facts without a row: K{unknown:?}");
}
