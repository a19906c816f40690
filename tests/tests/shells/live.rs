//! Every row of the table on the real kernel, with the real shells.

use std::fmt::Write as _;

use lastout_tests::container::{available, until};
use lastout_tests::tools;

use crate::stage::Stage;
use crate::table::{ALL, Case, End, Outcome, ROWS, Row, SETTINGS, Setting, Shell, Stop, Worker};

/// The worker of the table: its clean-up lasts until it is sent USR1.
pub(crate) const WORKER: &str =
    "$TELLER worker as-found INT take TERM,INT 0 take USR1 0 finish exit 42";

/// lastout's options for a script that does not answer: it has no time for it, and all the time
/// for everybody else.
const TOLD: [&str; 4] = ["--stop-grace", "200ms", "--drain-grace", "2m"];

/// The script of a row as a shell gets it.
fn script(row: &Row) -> String {
    let with_worker = |line: &str| {
        let words = line.split(' ').map(|word| if word == "worker" { WORKER } else { word });
        words.collect::<Vec<_>>().join(" ")
    };
    row.script.lines().map(with_worker).collect::<Vec<_>>().join("\n")
}

/// What was seen of the worker by those who are left.
fn became(stage: &Stage, is_over: bool) -> Worker {
    let asked = stage.story.matching("worker asked");
    match (asked.first(), is_over) {
        _ if stage.story.count("worker finished") > 0 => {
            let by = asked.first().and_then(|line| line.rsplit(' ').next());
            Worker::Finishes(if by == Some("INT") { "INT" } else { "TERM" })
        }
        (Some(_), true) => Worker::Cut,
        (None, true) => Worker::Killed,
        (Some(_), false) => Worker::Left,
        (None, false) => Worker::Forgotten,
    }
}

/// Lives the case once. `held`: as PID 1, the shell exits only when all the others are at rest.
fn lived(row: &Row, case: &Case, shell: Shell, setting: Setting, held: bool) -> Outcome {
    let told: &[&str] = if case.hangs() { &TOLD } else { &["--drain-grace", "2m"] };
    let mut stage = Stage::new(setting, shell, &script(row), told);
    stage.ready();
    let worker = stage.started("worker");
    let signals: &[i32] = match case.stop {
        Stop::Term => &[libc::SIGTERM],
        Stop::Int => &[libc::SIGINT],
        Stop::TermTwice => &[libc::SIGTERM; 2],
    };
    let mut end = None;
    for (at, &signal) in signals.iter().enumerate() {
        if held && at + 1 == signals.len() {
            stage.stop_and_hold_at_exit(signal);
        } else {
            stage.stop(signal);
        }
        if setting == Setting::Lastout {
            // While a grace runs, that nobody moves does not tell that lastout never will.
            let is_on =
                |stage: &mut Stage| stage.end().is_some() || stage.story.count("worker asked") > 0;
            until(|| is_on(&mut stage), || "the asking".into());
        }
        end = stage.settle();
        if end.is_some() {
            break;
        }
    }
    if end.is_none() && stage.story.count("worker asked") > 0 {
        // Somebody waits for it, or else nobody ever will: it finishes.
        stage.send(worker, libc::SIGUSR1);
        end = if setting == Setting::Lastout {
            until(|| stage.running.has_ended(), || "lastout's end".into());
            stage.end()
        } else {
            stage.settle()
        };
    }
    if end.is_none() {
        // The engine's patience is over.
        stage.stop(libc::SIGKILL);
        stage.settle();
    }
    let is_over = setting != Setting::Ordinary;
    if !is_over {
        // Whoever is left may have a signal to take, and to tell of.
        until(|| stage.is_quiet(), || "quiet".into());
        let finished = stage.story.count("worker finished") > 0;
        assert_eq!(stage.alive().contains(&worker), !finished, "{:?}", stage.story.lines());
    }
    Outcome(end.unwrap_or(End::Stays), became(&stage, is_over))
}

/// What comes of the case.
fn seen(row: &Row, case: &Case, shell: Shell, setting: Setting) -> Outcome {
    let outcome = lived(row, case, shell, setting, false);
    if setting == Setting::Pid1
        && matches!(outcome, Outcome(End::Exits(_), Worker::Cut | Worker::Killed))
    {
        // A worker that was asked may have been killed before it could tell.
        return lived(row, case, shell, setting, true);
    }
    outcome
}

fn compare(shell: Shell) {
    if !available() || tools::needed(shell.program()).is_none() {
        return;
    }
    let mut faults = String::new();
    for row in ROWS {
        for case in row.cases.iter().filter(|case| case.shells.contains(&shell)) {
            for setting in SETTINGS {
                let (seen, expected) = (seen(row, case, shell, setting), case.outcome(setting));
                if seen != expected {
                    let (number, name) = (row.number, shell.program());
                    let stop = case.stop;
                    writeln!(
                        faults,
                        "row {number}, {name}, {stop:?}, {setting:?}: {seen:?}, not {expected:?}"
                    )
                    .unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_script_fares_in_bash_as_the_table_says() {
    compare(Shell::Bash);
}

#[test]
fn every_script_fares_in_dash_as_the_table_says() {
    compare(Shell::Dash);
}

#[test]
fn every_script_fares_in_busybox_as_the_table_says() {
    compare(Shell::Busybox);
}

#[test]
fn every_row_and_signal_says_what_each_shell_does_once() {
    for row in ROWS {
        for stop in [Stop::Term, Stop::Int, Stop::TermTwice] {
            let cases = row.cases.iter().filter(|case| case.stop == stop);
            let mut shells: Vec<_> = cases.flat_map(|case| case.shells).copied().collect();
            shells.sort_unstable();
            assert!(shells.is_empty() && stop != Stop::Term || shells == ALL, "row {}", row.number);
        }
    }
}
