//! `docs/kernel.md` against the sources: the page is complete, and what it names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The last fact.
const LAST: u32 = 110;

/// All sources below a directory, as one text.
fn sources(directory: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}

/// The K numbers in a text.
fn facts(text: &str) -> Vec<u32> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter_map(|word| word.strip_prefix('K')?.parse().ok()).collect()
}

/// What stands between backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

struct Page {
    /// The facts with a row, and how often they have one.
    places: BTreeMap<u32, usize>,
    /// Those whose row names a test.
    tested: BTreeSet<u32>,
    /// Of the rows with tests: files and functions, and tests. (What is tested on Linux is compared
    /// by tests/tests/parity/page.rs.)
    rows: Vec<(String, String)>,
}

fn sim() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))
}

fn page() -> Page {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/kernel.md");
    let text = fs::read_to_string(path).unwrap();
    let mut page = Page { places: BTreeMap::new(), tested: BTreeSet::new(), rows: Vec::new() };
    for line in text.lines() {
        let cells: Vec<_> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        let numbers = facts(cells[0]);
        let is_row = line.starts_with("| K") || line.starts_with("| – ");
        if !is_row {
            continue;
        }
        for &number in &numbers {
            *page.places.entry(number).or_default() += 1;
        }
        if let [_, _, _, place, tests, _] = cells[..] {
            page.tested.extend(numbers);
            page.rows.push((place.into(), tests.into()));
        } else {
            assert_eq!(cells.len(), 4, "neither a rule nor left out: {line}");
        }
    }
    page
}

#[test]
fn every_fact_about_linux_has_one_place_on_the_page() {
    let places: Vec<_> = page().places.into_iter().collect();
    let expected: Vec<_> = (1..=LAST).map(|number| (number, 1)).collect();
    assert_eq!(places, expected);
}

#[test]
fn every_rule_on_the_page_has_a_test_that_exists_and_names_a_place_that_exists() {
    let text = sources(sim());
    let flat = text.replace("    ", "");
    let page = page();
    assert!(page.rows.len() > 60, "the tables are not read: {}", page.rows.len());
    for (place, tests) in &page.rows {
        assert_ne!(quoted(tests).count(), 0, "no test beside {place}");
        for test in quoted(tests) {
            assert!(flat.contains(&format!("#[test]\nfn {test}() {{")), "there is no test {test}");
        }
        for name in quoted(place) {
            let exists = if name.contains('.') {
                sim().join(name).is_file()
            } else {
                // A function; or a type, an instruction or a fault, by its name.
                text.contains(&format!("fn {name}("))
                    || text.contains(&format!("enum {name} "))
                    || text.contains(&format!("\"{name}\""))
            };
            assert!(exists, "there is no {name}");
        }
    }
}

#[test]
fn every_fact_that_the_simulator_cites_is_a_rule_on_the_page() {
    let cited = facts(&sources(sim()));
    assert!(cited.len() > 100, "{}", cited.len());
    let page = page();
    let missing: BTreeSet<_> =
        cited.into_iter().filter(|number| !page.tested.contains(number)).collect();
    assert!(missing.is_empty(), "cited, but no rule of docs/kernel.md: K{missing:?}");
}
