//! The scenario files: what the machine does, told in the notation, byte for byte.
//!
//! `tests/scenarios/README.md` says how to read and write one. After a wanted change of the
//! machine, this rewrites what the files say of the steps, and keeps the rest:
//!
//! ```text
//! LASTOUT_REGENERATE=1 cargo test -p lastout-tests --test scenarios
//! ```
//!
//! Then read `git diff tests/scenarios`: each changed line is a changed behaviour.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use lastout_core::replay::{self, Line};
use lastout_core::{Init, Millis, Phase, Policy, Wishes};

/// There are at least so many, so that an empty or misplaced directory is no success.
const AT_LEAST: usize = 45;

/// The rows of the problem that the machine has a part in, and the laws that a scene can show.
const SHOWN: [&str; 26] = [
    "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P11", "P12", "P14", "P18", "S1", "S2", "S3",
    "S4", "S5", "S9", "S10", "S11", "L2", "L3", "L4", "K24", "K48", "K97",
];

/// Every change of phase that there is.
const PHASE_CHANGES: [(Phase, Phase); 15] = [
    (Phase::Starting, Phase::Running),
    (Phase::Starting, Phase::Exited),
    (Phase::Starting, Phase::Draining),
    (Phase::Running, Phase::Stopping),
    (Phase::Running, Phase::Draining),
    (Phase::Running, Phase::Exited),
    (Phase::Stopping, Phase::Draining),
    (Phase::Stopping, Phase::Killing),
    (Phase::Stopping, Phase::Exited),
    (Phase::Draining, Phase::LastCall),
    (Phase::Draining, Phase::Killing),
    (Phase::Draining, Phase::Exited),
    (Phase::LastCall, Phase::Killing),
    (Phase::LastCall, Phase::Exited),
    (Phase::Killing, Phase::Exited),
];

struct Scenario {
    path: PathBuf,
    text: String,
}

impl Scenario {
    fn name(&self) -> &str {
        self.path.file_stem().unwrap().to_str().unwrap()
    }

    /// As an editor or a terminal can jump to it.
    fn place(&self, line: usize) -> String {
        format!("tests/scenarios/{}.log:{line}", self.name())
    }

    /// What is for the reader, before the first step.
    fn remark(&self) -> String {
        let lines = self.text.lines().skip(1);
        let remark: Vec<_> = lines.map_while(|line| line.strip_prefix("# ")).collect();
        remark.join(" ")
    }

    /// The text as the machine would have it.
    fn as_it_is(&self) -> Result<String, String> {
        let mut text = String::new();
        let written = replay::rewrite(&self.text, |line| {
            match line {
                Line::Remark(remark) => writeln!(text, "{remark}"),
                Line::Policy(policy) => writeln!(text, "{policy}"),
                Line::Entry(entry) => writeln!(text, "{entry}"),
            }
            .unwrap();
        });
        match written {
            Ok(()) => Ok(text),
            Err(fault) => Err(format!("{}: {fault}", self.place(fault.line))),
        }
    }
}

/// All of them, in order of their names.
fn scenarios() -> Vec<Scenario> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(&directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|p| p.extension().is_some_and(|e| e == "log")).collect();
    paths.sort();
    let scenario = |path: PathBuf| Scenario { text: fs::read_to_string(&path).unwrap(), path };
    paths.into_iter().map(scenario).collect()
}

#[test]
fn every_scenario_is_what_the_machine_does() {
    let scenarios = scenarios();
    let regenerate = env::var_os("LASTOUT_REGENERATE").is_some_and(|value| value == "1");
    let mut faults = String::new();
    for scenario in &scenarios {
        if regenerate {
            match scenario.as_it_is() {
                Ok(text) => fs::write(&scenario.path, text).unwrap(),
                Err(fault) => writeln!(faults, "{fault}").unwrap(),
            }
            continue;
        }
        match replay::check(&scenario.text) {
            Ok(Some(_)) => (),
            Ok(None) => {
                let last = scenario.text.lines().count();
                writeln!(faults, "{}: it is not told to the end", scenario.place(last)).unwrap();
            }
            Err(fault) => writeln!(faults, "{}: {fault}", scenario.place(fault.line)).unwrap(),
        }
    }
    assert!(
        faults.is_empty(),
        "\n{faults}\nIf the machine is right, LASTOUT_REGENERATE=1 rewrites what they say.\n"
    );
    assert!(scenarios.len() >= AT_LEAST, "only {} scenarios: some are lost", scenarios.len());
}

#[test]
fn every_name_is_a_claim_and_every_scene_says_what_it_shows() {
    let mut shown = BTreeSet::new();
    for scenario in scenarios() {
        let (name, remark) = (scenario.name(), scenario.remark());
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(name.chars().all(plain) && name.contains('-'), "{name}");
        assert!(remark.ends_with('.'), "{}: no remark", scenario.place(2));
        let words = remark.split(|c: char| !c.is_ascii_alphanumeric());
        shown.extend(words.map(str::to_owned));
    }
    for number in SHOWN {
        assert!(shown.contains(number), "no scenario shows {number}");
    }
}

#[test]
fn every_change_of_phase_is_in_some_scenario() {
    let mut seen = BTreeSet::new();
    for scenario in scenarios() {
        let mut machine: Option<(Policy, Init)> = None;
        let told = replay::rewrite(&scenario.text, |line| match line {
            Line::Remark(_) => (),
            Line::Policy(policy) => machine = Some((policy, Init::start().0)),
            Line::Entry(entry) => {
                let (policy, init) = machine.as_mut().unwrap();
                let before = init.phase();
                init.step(policy, entry.event);
                if before != init.phase() {
                    seen.insert(format!("{before:?} -> {:?}", init.phase()));
                }
            }
        });
        assert!(told.is_ok(), "{told:?}");
    }
    let all = PHASE_CHANGES.map(|(from, to)| format!("{from:?} -> {to:?}"));
    assert_eq!(seen, BTreeSet::from(all));
}

/// L4: the scene of the engine's 10 s has the graces that `--stop-timeout 10s` plans.
#[test]
fn the_graces_of_the_engines_ten_seconds_are_those_that_are_planned() {
    let ten = |s: &Scenario| s.name().starts_with("engine-gives-10s");
    let scenario = scenarios().into_iter().find(ten).unwrap();
    let policy: Policy = scenario.text.lines().next().unwrap().parse().unwrap();
    let wishes = Wishes { stop_timeout: Some(Millis(10_000)), ..Wishes::default() };
    assert_eq!(Ok(policy.graces), wishes.plan());
}

/// The proof that a lie is found out, and where.
#[test]
fn a_scenario_that_lies_is_found_out() {
    for scenario in scenarios() {
        let lines: Vec<_> = scenario.text.lines().collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("->")) {
            let lie = if line.ends_with("reap") { "wait" } else { "reap" };
            let (told, _) = line.rsplit_once(' ').unwrap();
            let mut lines = lines.clone();
            let lying = format!("{told} {lie}");
            lines[at] = &lying;
            let text = lines.join("\n");
            assert_eq!(replay::check(&text).unwrap_err().line, at + 1, "{}", scenario.name());
        }
    }
}
