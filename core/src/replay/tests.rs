//! A record with holes is never believed, and one that only ends early is not blamed for it.

use super::*;
use std::string::{String, ToString};
use std::vec::Vec;

const LIFE: &str = "\
# lastout 1 role=pid1 forward=main stop-signal=INT,TERM drain-signal=TERM drain-grace=5s last-call=250ms kill-grace=2s
spawned 7              -> reap
none-ready             -> wait
signal USR1            -> kill 7 USR1; wait
signal CHLD            -> reap
reaped 7 exit 127      -> kill all TERM, kill all CONT, alarm 50ms; reap
none-ready             -> wait
alarm late 3ms         -> alarm 50ms; wait
signal CHLD            -> reap
no-children            -> census
alone                  -> exit 127
";

fn lines() -> Vec<&'static str> {
    LIFE.lines().collect()
}

/// The life with these lines in the place of the one with that index.
fn with(at: usize, instead: &[&str]) -> String {
    let mut lines = lines();
    lines.splice(at..=at, instead.iter().copied());
    lines.join("\n") + "\n"
}

fn fault_of(text: &str) -> (usize, FaultKind) {
    let fault = check(text).unwrap_err();
    (fault.line, fault.kind)
}

#[test]
fn a_gap_reads_back_and_what_only_looks_like_one_is_a_remark() {
    for text in ["# gap 1", "# gap 4294967295"] {
        assert_eq!(text.parse::<Gap>().unwrap().to_string(), text);
    }
    for text in ["# gap", "# gap ", "# gap 07", "# gap 1 ", "# gap in the fence", "#gap 1"] {
        assert!(text.parse::<Gap>().is_err(), "{text:?}");
        assert_eq!(check(&with(3, &[text, lines()[3]])), Ok(Some(127)), "{text:?}");
    }
}

#[test]
fn a_gap_is_a_fault_wherever_it_is() {
    assert_eq!(check(LIFE), Ok(Some(127)), "without one all is well");
    for (at, line) in lines().into_iter().enumerate() {
        assert_eq!(fault_of(&with(at, &["# gap 1"])), (at + 1, FaultKind::Gap(1)), "for {line:?}");
        let text = with(at, &[line, "# gap 12"]);
        assert_eq!(fault_of(&text), (at + 2, FaultKind::Gap(12)), "behind {line:?}");
    }
    let told = check("# gap 3").unwrap_err().to_string();
    assert!(told.contains("3 lines are missing here"), "{told}");
    assert!(rewrite(&with(4, &["# gap 1"]), |_| ()).is_err());
}

#[test]
fn what_was_written_of_a_lost_line_is_not_blamed_but_the_gap_behind_it() {
    for (at, line) in lines().into_iter().enumerate() {
        for cut in 1..line.len() {
            let text = with(at, &[&line[..cut], "# gap 5"]);
            let (found, kind) = fault_of(&text);
            assert_eq!(kind, FaultKind::Gap(5), "{:?}", &line[..cut]);
            assert!(found == at + 1 || found == at + 2, "{:?}: line {found}", &line[..cut]);
        }
    }
}

#[test]
fn of_gaps_with_no_step_between_them_the_last_counts() {
    let text = with(3, &["signal US", "# gap 1", "# gap 12", "sign", "# gap 13"]);
    assert_eq!(fault_of(&text), (4, FaultKind::Gap(13)));
    let text = with(3, &["# gap 2", lines()[3], "# gap 3"]);
    assert_eq!(fault_of(&text), (4, FaultKind::Gap(2)));
}

#[test]
fn a_lie_is_a_lie_also_before_a_gap() {
    let lie = "signal USR1            -> wait";
    assert!(matches!(fault_of(&with(3, &[lie, "# gap 1"])), (4, FaultKind::Differs(_))));
    let lie = "reaped 7 exit 3        -> reap";
    assert!(matches!(fault_of(&with(3, &[lie, "# gap 1"])), (4, FaultKind::NoAnswer(_))));
}

#[test]
fn a_record_may_end_anywhere() {
    let first = lines()[0].len() + 1;
    for end in first..LIFE.len() - 1 {
        assert_eq!(check(&LIFE[..end]), Ok(None), "{:?}", &LIFE[..end].lines().last());
    }
    assert_eq!(check(&LIFE[..LIFE.len() - 1]), Ok(Some(127)), "only the line's end is missing");
    // But a lie is no end, nor is a line that others follow, nor a text that is no record.
    assert!(check(&LIFE[..LIFE.len() - 4].replace("reaped 7", "reaped 8")).is_err());
    assert!(check(&with(3, &["signal US"])).is_err());
    assert!(check("no record").is_err());
    assert!(check(&LIFE[..first - 2]).is_err());
}
