use super::*;

#[test]
fn nothing_is_armed_so_an_idle_init_never_wakes() {
    running(SHORT)
        .goes(
            "signal USR1 -> kill 7 USR1; wait
             signal CHLD -> reap
             reaped 8 exit 0 -> reap
             none-ready -> wait",
        )
        .is_in(Phase::Running, 0);
}

#[test]
fn one_chld_may_stand_for_many_deaths_so_reports_are_asked_for_until_there_are_none_s3() {
    running("")
        .goes(
            "signal CHLD -> reap
             reaped 8 exit 0 -> reap
             reaped 9 signal KILL -> reap
             stopped 10 STOP -> reap
             continued 10 -> reap
             none-ready -> wait",
        )
        .is_in(Phase::Running, 0);
}

#[test]
fn the_main_childs_end_is_everybodys_asking() {
    for words in ["role=pid1", SHORT] {
        running(words).goes(
            "signal CHLD -> reap
             reaped 7 exit 0 -> kill all TERM, kill all CONT, alarm 50ms; reap",
        );
    }
    for role in ["subreaper", "plain"] {
        running(&format!("role={role}")).goes(
            "signal CHLD -> reap
             reaped 7 exit 0 -> kill descendants TERM, kill descendants CONT, alarm 50ms; reap",
        );
    }
}

#[test]
fn everybody_is_asked_with_the_drain_signal_of_the_policy() {
    running("drain-signal=HUP")
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 0 -> kill all HUP, kill all CONT, alarm 50ms; reap",
        )
        .is_in(Phase::Draining, 5000);
}

#[test]
fn a_grace_shorter_than_a_tick_is_one_short_tick() {
    running("drain-grace=30ms")
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 0 -> kill all TERM, kill all CONT, alarm 30ms; reap",
        )
        .is_in(Phase::Draining, 30);
}

#[test]
fn an_orphans_end_is_not_the_main_childs() {
    running("")
        .goes(
            "signal CHLD -> reap
             reaped 8 exit 9 -> reap",
        )
        .is_in(Phase::Running, 0);
}

#[test]
fn without_a_drain_grace_we_leave_with_the_main_child_as_others_do() {
    running("drain-grace=0")
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 3 -> exit 3",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn a_main_child_that_is_lost_is_said_and_everybody_else_is_still_asked() {
    running("")
        .goes(
            "signal CHLD -> reap
             no-children -> say main-lost, kill all TERM, kill all CONT, alarm 50ms; reap
             no-children -> census
             alone -> exit 125",
        )
        .is_in(Phase::Exited, 0);
    running("drain-grace=0 remap-exit=125:0")
        .goes(
            "signal CHLD -> reap
             no-children -> say main-lost; exit 125",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn a_lost_main_child_is_not_signalled_s2() {
    running("")
        .goes(
            "signal CHLD -> reap
             no-children -> say main-lost, kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait
             signal USR1 -> wait",
        )
        .is_in(Phase::Draining, 5000);
}

#[test]
fn a_stop_signal_without_a_stop_grace_is_only_sent_on() {
    running("stop-signal=TERM,INT")
        .goes(
            "signal TERM -> kill 7 TERM; wait
             signal INT -> kill 7 INT; wait",
        )
        .is_in(Phase::Running, 0);
}

#[test]
fn a_stop_grace_waits_for_a_stop_signal() {
    running("stop-grace=30ms")
        .goes("signal USR1 -> kill 7 USR1; wait")
        .is_in(Phase::Running, 0)
        .goes("signal TERM -> kill 7 TERM, alarm 30ms; wait")
        .is_in(Phase::Stopping, 30);
}

#[test]
fn a_stop_signal_that_is_dropped_stops_nothing() {
    running("stop-grace=1s rewrite=TERM:0").goes("signal TERM -> wait").is_in(Phase::Running, 0);
}

#[test]
fn a_signal_is_a_stop_signal_as_it_is_taken_not_as_it_is_sent_on() {
    running("stop-grace=1s rewrite=TERM:QUIT rewrite=USR1:TERM")
        .goes("signal USR1 -> kill 7 TERM; wait")
        .is_in(Phase::Running, 0)
        .goes("signal TERM -> kill 7 QUIT, alarm 50ms; wait")
        .is_in(Phase::Stopping, 1000);
}

#[test]
fn what_cannot_happen_while_running_changes_nothing() {
    let never = ["alarm", "spawned 8", "spawn-failed not-found", "alone", "company"];
    running(SHORT).shrugs_at(&never).goes("signal CHLD -> reap").shrugs_at(&never);
}
