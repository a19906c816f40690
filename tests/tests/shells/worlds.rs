//! Every row of the table in the simulator: whoever moves when, what comes of a script is what the
//! table says, and so what the real shells were seen to do. The files of these worlds in
//! `tests/scenarios` are what readers look at; each is one of the table's, word for word.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use lastout_sim::scenario::{Scenario, check, parse};

use crate::table::{Case, End, Outcome, ROWS, Row, SETTINGS, Setting, Stop, Worker};

/// The files of the table's worlds begin so.
const PREFIX: &str = "script-with-";

/// The case as a scenario.
fn text(case: &Case, setting: Setting) -> String {
    let mut text = String::from("# lastout-world 1\n\n");
    let (init, role) = match setting {
        Setting::Ordinary => ("program script", "plain"),
        Setting::Pid1 => ("program script", "pid1"),
        Setting::Lastout => ("lastout", "pid1"),
    };
    writeln!(text, "init {init}\npolicy role={role}").unwrap();
    if setting == Setting::Lastout && case.hangs() {
        text += "stop-timeout 10s\n";
    }
    let engine = match case.stop {
        Stop::Term => "settle, docker-stop",
        Stop::Int => "settle, stop 10s INT",
        Stop::TermTwice => "settle, send TERM, settle, docker-stop",
    };
    writeln!(text, "engine {engine}\nprompt\nmain script\n\n{}", case.program).unwrap();
    // A script that has become the worker has no end of its own, nor has it under lastout one that
    // can be told from lastout's.
    let has_end =
        setting != Setting::Lastout && !case.program.contains("    exec worker\nprogram worker");
    for claim in claims(case.outcome(setting), setting, has_end) {
        writeln!(text, "expect {claim}").unwrap();
    }
    text
}

/// What the simulator's words are for an outcome.
fn claims(Outcome(end, worker): Outcome, setting: Setting, has_end: bool) -> Vec<String> {
    let (code, script) = match end {
        End::Exits(code) => (code, format!("exit {code}")),
        End::Dies(15) => (143, "killed TERM".to_owned()),
        End::Dies(2) => (130, "killed INT".to_owned()),
        End::Dies(signal) => panic!("{signal}: no stop signal"),
        End::Stays => (137, "killed".to_owned()),
    };
    let mut claims = vec![format!("exit {code}")];
    if has_end {
        claims.push(format!("script {script}"));
    }
    let worker: &[&str] = match worker {
        Worker::Finishes("TERM") => &["got-term", "exit 42"],
        Worker::Finishes(_) => &["not-got-term", "exit 42"],
        Worker::Cut => &["got-term", "killed"],
        Worker::Killed => &["not-got-term", "killed"],
        Worker::Left => &["got-term", "alive"],
        Worker::Forgotten => &["not-got-term", "alive"],
    };
    claims.extend(worker.iter().map(|claim| format!("worker {claim}")));
    if setting == Setting::Lastout {
        claims.push("laws hold".to_owned());
    }
    claims
}

fn scenario(row: &Row, case: &Case, setting: Setting) -> Scenario {
    let text = text(case, setting);
    parse(&text).unwrap_or_else(|fault| panic!("row {}: {fault}\n{text}", row.number))
}

/// All of them.
fn worlds() -> impl Iterator<Item = (&'static Row, &'static Case, Setting, Scenario)> {
    let cases = ROWS.iter().flat_map(|row| row.cases.iter().map(move |case| (row, case)));
    cases.flat_map(|(row, case)| {
        SETTINGS.map(|setting| (row, case, setting, scenario(row, case, setting)))
    })
}

#[test]
fn every_script_fares_in_the_simulator_as_the_table_says() {
    let mut faults = String::new();
    for (row, case, setting, scenario) in worlds() {
        if let Err(failure) = check(&scenario) {
            let (number, shells, stop) = (row.number, case.shells, case.stop);
            writeln!(
                faults,
                "row {number}, {shells:?}, {stop:?}, {setting:?}: {failure}\n{scenario}"
            )
            .unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// The files of scripts, as they are.
fn files() -> Vec<(PathBuf, String, Scenario)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let ours = paths.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with(PREFIX) && name.ends_with(".world")
    });
    let read = ours.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let scenario = parse(&text).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
        (path, text, scenario)
    });
    read.collect()
}

#[test]
fn every_file_of_a_script_is_a_row_of_the_table_and_expects_what_that_says() {
    let regenerate = env::var_os("LASTOUT_REGENERATE").is_some_and(|value| value == "1");
    let mut faults = String::new();
    for (path, text, file) in files() {
        let name = path.file_name().unwrap().to_string_lossy();
        let same = worlds().find(|(.., world)| world.setting == file.setting);
        let Some((.., world)) = same else {
            writeln!(faults, "tests/scenarios/{name}: it is no row of the table").unwrap();
            continue;
        };
        let should = Scenario { remark: file.remark.clone(), ..world }.to_string();
        if regenerate {
            fs::write(&path, should).unwrap();
        } else if text != should {
            writeln!(faults, "tests/scenarios/{name}: it should be\n{should}").unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}\nLASTOUT_REGENERATE=1 rewrites what they expect.\n");
}

#[test]
fn every_script_that_is_sent_term_has_a_file_in_each_setting() {
    let files = files();
    let mut faults = String::new();
    for (row, case, setting, world) in worlds().filter(|world| world.1.stop == Stop::Term) {
        if !files.iter().any(|file| file.2.setting == world.setting) {
            let (number, shells) = (row.number, case.shells);
            writeln!(
                faults,
                "row {number}, {shells:?}, {setting:?}: no file {PREFIX}….world; it would be\n{world}"
            )
            .unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}
