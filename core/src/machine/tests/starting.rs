use super::*;

#[test]
fn a_child_that_died_before_we_blocked_chld_is_looked_for_at_once_k24() {
    Life::begins("")
        .goes(
            "spawned 7 -> reap
             reaped 9 exit 0 -> reap
             none-ready -> wait",
        )
        .is_in(Phase::Running, 0);
}

#[test]
fn the_main_child_is_known_as_soon_as_it_runs() {
    let mut life = Life::begins("");
    assert_eq!(life.init.main_child(), None);
    life.does("spawned 7");
    assert_eq!(life.init.main_child(), Pid::new(7));
}

#[test]
fn a_failed_start_is_told_by_the_exit_code() {
    for (why, code) in [("not-found", 127), ("not-executable", 126), ("no-process", 125)] {
        let remapped = "remap-exit=125:1 remap-exit=126:1 remap-exit=127:1";
        Life::begins(&format!("drain-grace=0 {remapped}"))
            .goes(&format!("spawn-failed {why} -> exit {code}"))
            .is_in(Phase::Exited, 0);
        Life::begins(remapped)
            .goes(&format!(
                "spawn-failed {why} -> kill all TERM, kill all CONT, alarm 50ms; reap
                 no-children -> census
                 alone -> exit {code}"
            ))
            .is_in(Phase::Exited, 0);
    }
}

#[test]
fn who_was_there_before_a_failed_start_is_asked_and_has_time_s10() {
    Life::begins("drain-grace=50ms last-call=50ms")
        .goes(
            "spawn-failed not-found -> kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait",
        )
        .is_in(Phase::Draining, 50)
        .goes(
            "signal CHLD -> reap
             reaped 9 exit 0 -> reap
             no-children -> census
             alone -> exit 127",
        );
}

#[test]
fn until_it_has_started_nothing_else_can_happen() {
    let life = Life::begins(SHORT).shrugs_at(&[
        "signal TERM",
        "signal CHLD",
        "alarm",
        "reaped 7 exit 0",
        "stopped 7 STOP",
        "trapped 7 TRAP",
        "continued 7",
        "none-ready",
        "no-children",
        "alone",
        "company",
    ]);
    life.is_in(Phase::Starting, 0);
}
