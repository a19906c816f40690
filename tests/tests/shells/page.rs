//! docs/graceful.md, the page for users, has the table as it is; what stands around it is prose.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use crate::table::{ALL, Case, End, Outcome, ROWS, Row, Setting, Shell, Stop, Worker};

/// Why a script fares as it does, in the order of [`ROWS`].
const WHY: [(&str, &str); 18] = [
    (
        "1",
        "A shell sends nothing on. An ordinary one dies of TERM and says nothing to the worker; PID 1 \
         without a trap does not even notice TERM. INT is kept until the command has ended.",
    ),
    (
        "1b",
        "bash and busybox become the command if it is the only one; Debian's `/bin/sh`, dash, starts it \
         beside itself. So the same `CMD worker` stops where `/bin/sh` is busybox or bash, and hangs where it is dash.",
    ),
    (
        "2",
        "A trap cuts `wait` short: it returns 143 (128 + 15) at once, and the script leaves while the \
         worker still cleans up.",
    ),
    (
        "3",
        "The worker is waited for, but in the trap; `$?` behind the trap is still what the interrupted \
         `wait` returned.",
    ),
    ("3b", "The trap never returns, so that the interrupted `wait` does not matter."),
    (
        "4",
        "The second `wait` returns the worker's own code. But a second TERM (`docker stop` is typed \
         twice, say) cuts that one short as well.",
    ),
    (
        "4b",
        "The trap is gone when the second TERM comes. As PID 1 the shell then ignores it; an ordinary one \
         dies of it.",
    ),
    (
        "4c",
        "However many signals come, the loop goes on. Its weak spot is a worker that ends at once: if it is \
         gone before `kill -0` looks, `$rc` is still the 143 of the interrupted `wait`. We saw that in 26 \
         of 180 stops.",
    ),
    ("4d", "As 4c, and the last `wait` has the code even then: shells remember it."),
    (
        "4e",
        "143 is a failure, and `set -e` leaves the script at the first one. Write `wait $P || true`.",
    ),
    ("5", "What a script starts with `&` ignores INT and QUIT. Send it TERM whatever came."),
    ("6", "There is no shell any more: the worker gets every signal itself."),
    (
        "7",
        "Traps run only between commands, and `worker` is one that has not ended. Nor is `$P` known.",
    ),
    ("8", "`wait` without a pid waits for everybody, and returns 0 whatever became of them."),
    (
        "9",
        "bash runs an EXIT trap also when a signal ends it, unless a second one comes; dash and busybox do not.",
    ),
    (
        "10",
        "With job control bash does not have INT ignored; dash and busybox have none without a terminal.",
    ),
    ("11", "As 1: there is no trap."),
    (
        "12",
        "The group is everybody whom the script has started and who has not left it. Engines give a \
         container a session of its own; without one, `kill 0` also hits whoever started it.",
    ),
];

fn why(row: &Row) -> &'static str {
    let known = WHY.iter().find(|(number, _)| *number == row.number);
    known.unwrap_or_else(|| panic!("row {}: why?", row.number)).1
}

fn shells(shells: &[Shell]) -> String {
    if shells == ALL {
        return "all".to_owned();
    }
    shells.iter().map(|shell| shell.program()).collect::<Vec<_>>().join(", ")
}

fn signal(case: &Case) -> &'static str {
    match case.stop {
        Stop::Term => "TERM",
        Stop::Int => "INT",
        Stop::TermTwice => "TERM, and TERM again",
    }
}

/// What comes of it, in words.
fn told(outcome: Outcome) -> String {
    let Outcome(end, worker) = outcome;
    let end = match end {
        End::Exits(code) => format!("exit {code}"),
        End::Dies(15) => "dies of TERM".to_owned(),
        End::Dies(2) => "dies of INT".to_owned(),
        End::Dies(signal) => format!("dies of {signal}"),
        End::Stays => "nothing happens until KILL".to_owned(),
    };
    let worker = match worker {
        Worker::Finishes(_) => "worker finishes",
        Worker::Cut => "**worker killed in its clean-up**",
        Worker::Killed => "**worker killed unasked**",
        Worker::Left => "**worker left behind in its clean-up**",
        Worker::Forgotten => "**worker left running, unasked**",
    };
    format!("{end}, {worker}")
}

/// Is that a graceful stop, in a word?
fn verdict(Outcome(end, worker): Outcome) -> String {
    match (end, worker) {
        (End::Exits(42), Worker::Finishes(_)) => "yes".to_owned(),
        (End::Exits(code), Worker::Finishes(_)) => format!("yes, but exit {code} instead of 42"),
        (End::Stays, _) => "**no: killed when the engine's time is up**".to_owned(),
        (_, Worker::Cut) => "**no: killed in the middle**".to_owned(),
        other => panic!("{other:?}: what is that in a word?"),
    }
}

fn overview() -> String {
    let mut text = String::from(
        "| | script | `docker stop`, the script is PID 1 | and TERM again | `docker stop`, under lastout |\n\
         |---|---|---|---|---|\n",
    );
    for row in ROWS {
        let cases = |stop| row.cases.iter().filter(move |case| case.stop == stop);
        for case in cases(Stop::Term) {
            let which = if case.shells == ALL {
                String::new()
            } else {
                format!(" ({})", shells(case.shells))
            };
            let (number, title) = (row.number, row.title);
            let again = cases(Stop::TermTwice).find(|again| again.shells == case.shells);
            let again = again.map_or(String::new(), |case| verdict(case.outcome(Setting::Pid1)));
            let [before, after] =
                [Setting::Pid1, Setting::Lastout].map(|s| verdict(case.outcome(s)));
            let note = if case.hangs() { " ¹" } else { "" };
            writeln!(text, "| {number} | {title}{which} | {before} | {again} | {after}{note} |")
                .unwrap();
        }
    }
    text
}

/// In lines as long as those around it.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("one");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= 130 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

fn section(row: &Row) -> String {
    let mut text = format!("### {}: {}\n\n", row.number, row.title);
    for line in row.script.lines() {
        writeln!(text, "    {line}").unwrap();
    }
    writeln!(text, "\n{}\n", wrapped(why(row))).unwrap();
    text += "| signal | shell | as PID 1 | as an ordinary process | under lastout |\n|---|---|---|---|---|\n";
    for case in row.cases {
        let (signal, shells) = (signal(case), shells(case.shells));
        let [pid1, ordinary, lastout] =
            [Setting::Pid1, Setting::Ordinary, Setting::Lastout].map(|s| told(case.outcome(s)));
        let note = if case.hangs() { " ¹" } else { "" };
        writeln!(text, "| {signal} | {shells} | {pid1} | {ordinary} | {lastout}{note} |").unwrap();
    }
    text
}

/// The text with what stands between the two lines that say `name`.
fn filled(text: &str, name: &str, with: &str) -> String {
    let [begin, end] = ["", "end of "].map(|word| format!("<!-- {word}{name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    [before, &begin, "\n", with, "\n", &end, after].concat()
}

#[test]
fn the_page_for_users_has_the_table_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/graceful.md");
    let text = fs::read_to_string(&path).unwrap();
    let sections: Vec<_> = ROWS.iter().map(section).collect();
    let should = filled(&text, "overview", &overview());
    let should = filled(&should, "scripts", &sections.join("\n"));
    if env::var_os("LASTOUT_REGENERATE").is_some_and(|value| value == "1") {
        fs::write(&path, should).unwrap();
        return;
    }
    let same = text.lines().zip(should.lines()).take_while(|(a, b)| a == b).count();
    let line = should.lines().nth(same).unwrap_or_default();
    assert!(
        text == should,
        "docs/graceful.md:{}: should be {line:?}\nLASTOUT_REGENERATE=1 rewrites it.",
        same + 1
    );
}

#[test]
fn every_row_has_its_why() {
    let numbers: Vec<_> = WHY.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, ROWS.iter().map(|row| row.number).collect::<Vec<_>>());
}
