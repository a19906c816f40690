//! The worlds: systems as the problem has them, *before* without lastout and *after* with it, and
//! what must become of their processes whoever moves when.
//!
//! `tests/scenarios/README.md` says how to read and write one. This rewrites the files as they
//! would be written, and keeps what they say:
//!
//! ```text
//! LASTOUT_REGENERATE=1 cargo test -p lastout-tests --test worlds
//! ```

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use lastout_core::Signal;
use lastout_sim::laws::Law;
use lastout_sim::machine::Kind;
use lastout_sim::scenario::{Claim, Expectation, Scenario, check, life, parse};
use lastout_sim::setting::Who;

/// There are at least so many, so that an empty or misplaced directory is no success.
const AT_LEAST: usize = 60;

/// The rows of the problem that a world can show; P17's clean-up command is not in the machine.
const ROWS: [&str; 17] = [
    "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11", "P12", "P13", "P14", "P15",
    "P16", "P18",
];

struct World {
    path: PathBuf,
    text: String,
    scenario: Scenario,
}

impl World {
    fn name(&self) -> &str {
        self.path.file_stem().unwrap().to_str().unwrap()
    }

    /// As an editor or a terminal can jump to it.
    fn place(&self, line: usize) -> String {
        format!("tests/scenarios/{}.world:{line}", self.name())
    }

    /// Is it one with lastout?
    fn is_after(&self) -> bool {
        self.scenario.setting.who == Who::Init(Kind::Lastout)
    }
}

/// All of them, in order of their names.
fn worlds() -> Vec<World> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(&directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "world")).collect();
    paths.sort();
    let mut worlds = Vec::new();
    let mut faults = String::new();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        match parse(&text) {
            Ok(scenario) => worlds.push(World { path, text, scenario }),
            Err(fault) => {
                let name = path.file_name().unwrap().to_string_lossy();
                writeln!(faults, "tests/scenarios/{name}:{}: {}", fault.line, fault.what).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    worlds
}

#[test]
fn every_world_is_written_as_it_would_be() {
    let regenerate = env::var_os("LASTOUT_REGENERATE").is_some_and(|value| value == "1");
    let mut faults = String::new();
    for world in worlds() {
        let text = world.scenario.to_string();
        assert_eq!(parse(&text).as_ref(), Ok(&world.scenario), "{}", world.place(1));
        if regenerate {
            fs::write(&world.path, text).unwrap();
            continue;
        }
        let same = text.lines().zip(world.text.lines()).take_while(|(a, b)| a == b).count();
        if text != world.text {
            let should = text.lines().nth(same).unwrap_or_default();
            writeln!(faults, "{}: should be {should:?}", world.place(same + 1)).unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}\nLASTOUT_REGENERATE=1 rewrites them.\n");
}

#[test]
fn every_life_of_every_world_is_as_expected() {
    let worlds = worlds();
    let mut faults = String::new();
    for world in &worlds {
        assert!(!world.scenario.expectations.is_empty(), "{}: expects nothing", world.place(1));
        if let Err(failure) = check(&world.scenario) {
            writeln!(faults, "{}: {failure}\n", world.place(failure.line)).unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
    assert!(worlds.len() >= AT_LEAST, "only {} worlds: some are lost", worlds.len());
}

#[test]
fn every_name_is_a_claim_and_every_row_is_shown_before_and_after() {
    let mut shown = BTreeSet::new();
    for world in worlds() {
        let (name, remark) = (world.name(), &world.scenario.remark);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(plain) && name.contains('-'), "{name}");
        assert!(remark.ends_with('.'), "{}: no remark", world.place(2));
        let words = remark.split(|c: char| !c.is_ascii_alphanumeric());
        shown.extend(words.map(|word| (word.to_owned(), world.is_after())));
    }
    for row in ROWS {
        for after in [false, true] {
            assert!(shown.contains(&(row.to_owned(), after)), "{row}, lastout: {after}: no world");
        }
    }
}

/// The life that is looked at is one that the search knows: its end is what was expected.
#[test]
fn every_world_has_a_life_to_look_at() {
    for world in worlds() {
        let lived = life(&world.scenario);
        assert!(!lived.kernel.notes.kept().is_empty(), "{}", world.place(1));
        for expectation in &world.scenario.expectations {
            match &expectation.claim {
                Claim::Exit(codes) if !expectation.sometimes => {
                    let code = lived.exit().map(lastout_core::Status::code);
                    assert!(
                        code.is_some_and(|c| codes.contains(&c)),
                        "{}: {code:?}",
                        world.place(1)
                    );
                }
                Claim::NeverEnds => assert_eq!(lived.exit(), None, "{}", world.place(1)),
                _ => (),
            }
        }
    }
}

/// An exit code that no program of these worlds has.
const NOBODYS: u8 = 77;

/// What cannot be true if `expectation` is; of what is so sometimes, what is never so.
fn lie(expectation: &Expectation) -> Expectation {
    let other = |codes: &[u8]| vec![if codes.contains(&NOBODYS) { 0 } else { NOBODYS }];
    let claim = match &expectation.claim {
        Claim::Exit(codes) => Claim::Exit(other(codes)),
        Claim::Exits(who, codes) => Claim::Exits(*who, other(codes)),
        Claim::Killed(who, Signal::KILL) => Claim::Killed(*who, Signal::USR1),
        Claim::Killed(who, _) => Claim::Killed(*who, Signal::KILL),
        Claim::Alive(who) => Claim::Exits(*who, vec![NOBODYS]),
        Claim::GotTerm(who, _) if expectation.sometimes => Claim::Exits(*who, vec![NOBODYS]),
        Claim::GotTerm(who, got) => Claim::GotTerm(*who, !got),
        Claim::Says(who, words) => {
            Claim::Says(*who, words.iter().cloned().chain(["more".into()]).collect())
        }
        Claim::NeverEnds => Claim::Exit((0..=255).collect()),
        Claim::LawsHold => Claim::Breaks(Law::S1),
        Claim::Breaks(_) => Claim::LawsHold,
    };
    Expectation { claim, ..expectation.clone() }
}

/// The proof that a lie is found out, and where: each expectation alone, turned around.
#[test]
fn a_world_that_lies_is_found_out() {
    for world in worlds() {
        for (at, expectation) in world.scenario.expectations.iter().enumerate() {
            let lie = lie(expectation);
            let scenario = Scenario { expectations: vec![lie.clone()], ..world.scenario.clone() };
            let failure = check(&scenario).expect_err(&world.place(expectation.line.0));
            assert_eq!(failure.line, world.scenario.expectations[at].line.0, "{}", world.name());
        }
    }
}
