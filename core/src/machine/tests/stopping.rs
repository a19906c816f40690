use super::*;

#[test]
fn it_is_as_running_but_for_the_alarm() {
    stopping("")
        .goes(
            "signal USR1 -> kill 7 USR1; wait
             signal CHLD -> reap
             reaped 8 exit 1 -> reap
             stopped 8 STOP -> reap
             trapped 8 TRAP -> detach 8; reap
             continued 8 -> reap
             none-ready -> wait",
        )
        .is_in(Phase::Stopping, 120);
}

#[test]
fn a_second_stop_signal_is_sent_on_and_gives_no_new_grace() {
    stopping("")
        .goes(
            "alarm -> alarm 50ms; wait
             signal INT -> kill 7 INT; wait
             signal TERM -> kill 7 TERM; wait",
        )
        .is_in(Phase::Stopping, 70);
}

#[test]
fn the_main_childs_end_is_everybodys_asking_with_the_whole_drain_grace_s11() {
    stopping("")
        .goes(
            "alarm -> alarm 50ms; wait
             signal CHLD -> reap
             reaped 7 signal TERM -> kill all TERM, kill all CONT, alarm 50ms; reap",
        )
        .is_in(Phase::Draining, 110);
}

#[test]
fn a_main_child_that_oversleeps_is_asked_again_with_everybody_else() {
    draining_with_main_child("");
}

#[test]
fn the_grace_may_end_while_reports_are_being_asked_for() {
    stopping("")
        .goes(
            "signal CHLD -> reap
             alarm -> alarm 50ms; reap
             alarm -> alarm 20ms; reap
             alarm -> say stop-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap",
        )
        .is_in(Phase::Draining, 110);
}

#[test]
fn without_a_drain_grace_who_oversleeps_is_killed_and_nobody_else_is_asked() {
    running("stop-grace=30ms drain-grace=0 kill-grace=70ms")
        .goes(
            "signal TERM -> kill 7 TERM, alarm 30ms; wait
             alarm -> say stop-grace-over, say killing, kill all KILL, alarm 50ms; reap",
        )
        .is_in(Phase::Killing, 70);
}

#[test]
fn without_a_drain_grace_we_leave_with_the_main_child() {
    running("stop-grace=1s drain-grace=0")
        .goes(
            "signal TERM -> kill 7 TERM, alarm 50ms; wait
             signal CHLD -> reap
             reaped 7 signal TERM -> exit 143",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn a_main_child_that_is_lost_is_said_and_everybody_else_is_still_asked() {
    stopping("")
        .goes(
            "signal CHLD -> reap
             no-children -> say main-lost, kill all TERM, kill all CONT, alarm 50ms; reap",
        )
        .is_in(Phase::Draining, 110);
}

#[test]
fn an_empty_stop_grace_is_over_at_the_first_alarm() {
    running("stop-grace=0")
        .goes(
            "signal TERM -> kill 7 TERM, alarm 0; wait
             alarm -> say stop-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap",
        )
        .is_in(Phase::Draining, 5000);
}

#[test]
fn what_cannot_happen_while_stopping_changes_nothing() {
    let never = ["spawned 8", "spawn-failed no-process", "alone", "company"];
    stopping("").shrugs_at(&never).goes("signal CHLD -> reap").shrugs_at(&never);
}
