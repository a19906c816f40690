//! The notation reads back what it writes, and refuses the rest with a reason.

use super::*;
use crate::replay::{FaultKind, Line, check, rewrite};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn same<T: Display + FromStr<Err = ParseError>>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert_eq!(value.to_string(), text),
        Err(error) => panic!("{text:?}: {error}"),
    }
}

#[test]
fn every_event_reads_back() {
    for text in [
        "spawned 7",
        "spawn-failed not-found",
        "spawn-failed not-executable",
        "spawn-failed no-process",
        "signal TERM",
        "signal 33",
        "signal RTMIN+3 value 18446744073709551615",
        "signal CHLD from 7",
        "settled",
        "alarm",
        "alarm late 3ms",
        "proven 8 exit 0",
        "proven 8 signal SEGV core",
        "reaped 7 exit 255",
        "reaped 7 signal KILL",
        "reaped 7 signal ABRT core",
        "stopped 7 TSTP",
        "trapped 7 TRAP",
        "continued 4194304",
        "none-ready",
        "no-children",
        "alone",
        "company",
    ] {
        same::<Event>(text);
    }
}

#[test]
fn every_effect_and_request_reads_back() {
    for text in [
        "kill 7 TERM",
        "kill 7 RTMIN value 0",
        "kill group 7 INT",
        "kill all KILL",
        "kill descendants CONT",
        "alarm 50ms",
        "alarm 0",
        "foreground 7",
        "foreground own",
        "stop-self",
        "detach 7",
        "detach 7 USR1",
        "kernel-reaps",
        "init-reaps",
        "say stop-grace-over",
        "say drain-grace-over",
        "say killing",
        "say kill-grace-over",
        "say main-lost",
    ] {
        same::<Effect>(text);
    }
    for text in [
        "spawn",
        "wait",
        "settle 20ms",
        "watch 7",
        "reap",
        "reap 8",
        "prove 7",
        "census",
        "exit 0",
        "exit 255",
    ] {
        same::<Request>(text);
    }
    same::<Step>("kill all TERM, kill all CONT, alarm 50ms; reap");
    same::<Entry>("signal TERM            -> kill 7 TERM; wait");
    same::<Entry>("signal RTMIN+30 value 123456789 -> wait");
}

#[test]
fn a_policy_reads_back_with_all_its_words() {
    same::<Policy>(
        "# lastout 1 role=subreaper forward=group stop-signal=INT,QUIT,RTMIN+3 drain-signal=HUP \
         stop-grace=6250ms drain-grace=0 last-call=250ms kill-grace=2m terminal \
         rewrite=HUP:0 rewrite=TERM:QUIT remap-exit=143:0",
    );
    for storm in ["storm=1", "storm=63", "storm=never kernel-reaping=off"] {
        same::<Policy>(&format!("{} {storm}", Policy::default()));
    }
    let default: Policy = "# lastout 1 storm=8".parse().unwrap();
    assert_eq!(default, Policy::default());
    assert_eq!("# lastout 1".parse(), Ok(Policy::default()));
}

#[test]
fn what_is_not_in_the_notation_is_refused_with_what_was_expected() {
    for (text, expected) in [
        ("", "an event"),
        ("sneezed", "an event"),
        ("spawned", "a pid"),
        ("spawned 0", "a pid"),
        ("spawned 07", "a pid"),
        ("spawned +7", "a pid"),
        ("spawned 4194305", "a pid"),
        ("spawned 7 8", "nothing more"),
        ("signal TERMS", "a signal"),
        ("signal TERM 5", "value, or nothing more"),
        ("signal TERM from 5", "value, or nothing more"),
        ("signal CHLD from", "a pid"),
        ("signal TERM value -1", "the value"),
        ("reaped 7", "exit or signal"),
        ("reaped 7 exit 256", "an exit code"),
        ("reaped 7 signal KILL dump", "core, or nothing more"),
        ("alarm early", "late, or nothing more"),
        ("alone again", "nothing more"),
    ] {
        assert_eq!(text.parse::<Event>(), Err(ParseError { expected }), "{text:?}");
    }
    assert!(
        "kill all TERM, kill all CONT, stop-self, stop-self, stop-self, stop-self; wait"
            .parse::<Step>()
            .is_err_and(|e| e.expected.contains("S8"))
    );
    for text in [
        "# lastout 2 role=pid1",
        "role=pid1",
        "# lastout 1 rewrite=KILL:TERM",
        "# lastout 1 rewrite=TERM",
        "# lastout 1 colour=red",
        "# lastout 1 drain-grace=5",
    ] {
        assert!(text.parse::<Policy>().is_err(), "{text:?}");
    }
}

const LIFE: &str = "\
# lastout 1 role=pid1 forward=main stop-signal=INT,TERM drain-signal=TERM drain-grace=5s last-call=250ms kill-grace=2s

# the main child leaves by itself
spawned 7              -> reap
none-ready             -> wait
signal CHLD            -> reap
reaped 7 exit 3        -> kill all TERM, kill all CONT, alarm 50ms; reap
no-children            -> census
alone                  -> exit 3
";

#[test]
fn a_true_record_replays_to_its_exit_code() {
    assert_eq!(check(LIFE), Ok(Some(3)));
}

#[test]
fn a_record_with_one_wrong_byte_is_found_out() {
    let lines: Vec<&str> = LIFE.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, l)| l.contains("->")) {
        let mut changed = lines.clone();
        let wrong = std::format!("{line} ");
        changed[at] = &wrong;
        let text: String = changed.join("\n");
        let fault = check(&text).unwrap_err();
        assert_eq!(fault.line, at + 1);
        assert!(matches!(fault.kind, FaultKind::Differs(_)));
    }
}

#[test]
fn a_record_of_what_cannot_happen_is_found_out() {
    let text = LIFE.replace("none-ready             -> wait", "alone -> exit 0");
    let fault = check(&text).unwrap_err();
    assert_eq!((fault.line, fault.kind), (5, FaultKind::NoAnswer(Request::Reap)));
    assert!(fault.to_string().contains("no answer to \"reap\""), "{fault}");
    assert!(check("spawned 7 -> reap").is_err(), "no policy line");
}

/// Written down line by line, it would else be another text each time: `\r` and `\n` end a line.
#[test]
fn a_remark_is_shown_without_what_ends_its_line() {
    let mut remarks = Vec::new();
    let text = "# lastout 1\n# one\n# two\r\n# three\r\r\n\r\r\n# last\r";
    let told = rewrite(text, |line| match line {
        Line::Remark(remark) => remarks.push(remark),
        Line::Policy(_) => (),
        Line::Entry(entry) => panic!("{entry}"),
    });
    assert_eq!(told, Ok(()));
    assert_eq!(remarks, ["# one", "# two", "# three", "", "# last"]);
}
