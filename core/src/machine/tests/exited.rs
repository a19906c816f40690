use super::*;

#[test]
fn nothing_follows_whatever_happens_s6() {
    let exited = [
        Life::begins("drain-grace=0").goes("spawn-failed not-found -> exit 127"),
        running("drain-grace=0 terminal").goes(
            "signal CHLD -> reap
             reaped 7 exit 3 -> foreground own; exit 3",
        ),
    ];
    for life in exited {
        life.is_in(Phase::Exited, 0).shrugs_at(&everywhere::EVENTS).is_in(Phase::Exited, 0);
    }
}

#[test]
fn a_death_by_signal_is_128_and_the_signal_and_never_mixed_up_inside_p18() {
    for (end, code) in [
        ("exit 0", 0),
        ("exit 143", 143),
        ("exit 255", 255),
        ("signal TERM", 143),
        ("signal ABRT core", 134),
        ("signal RTMAX", 192),
    ] {
        let text = format!(
            "signal CHLD -> reap
             reaped 7 {end} -> exit {code}"
        );
        running("drain-grace=0").goes(&text);
    }
}

#[test]
fn the_exit_code_is_remapped_wherever_the_main_child_ends_s1() {
    let words = "drain-grace=0 remap-exit=143:0";
    let end = "signal CHLD -> reap
               reaped 7 signal TERM -> exit 0";
    running(words).goes(end);
    running(&format!("{words} stop-grace=1s"))
        .goes("signal TERM -> kill 7 TERM, alarm 50ms; wait")
        .goes(end);
}
