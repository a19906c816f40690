use super::*;

fn killing(words: &str) -> Life {
    killing_after(&last_call_after(&draining(words)))
}

fn killing_with_main_child(words: &str) -> Life {
    killing_after(&last_call_after(&draining_with_main_child(words)))
}

#[test]
fn the_killed_are_reaped_and_we_are_done() {
    killing("")
        .goes(
            "signal CHLD -> reap
             reaped 8 signal KILL -> reap
             reaped 9 signal KILL -> reap
             no-children -> census
             alone -> exit 3",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn a_killed_main_child_is_137_as_anywhere_s1() {
    killing_with_main_child("").goes(
        "signal CHLD -> reap
         reaped 7 signal KILL -> reap
         no-children -> census
         alone -> exit 137",
    );
}

#[test]
fn who_does_not_even_die_of_kill_is_left_behind_and_that_is_said_k59() {
    killing("")
        .goes(
            "alarm -> alarm 20ms; wait
             alarm -> say kill-grace-over; exit 3",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn a_main_child_that_does_not_even_die_of_kill_counts_as_killed() {
    killing_with_main_child("remap-exit=137:0")
        .goes(
            "alarm -> alarm 20ms; wait
             alarm -> say kill-grace-over; exit 137",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn the_grace_may_end_while_reports_are_asked_for_and_while_the_census_is_taken() {
    killing("").goes(
        "signal CHLD -> reap
         alarm -> alarm 20ms; reap
         alarm -> say kill-grace-over; exit 3",
    );
    killing("").goes(
        "signal CHLD -> reap
         no-children -> census
         alarm -> alarm 20ms; census
         alarm -> say kill-grace-over; exit 3",
    );
}

#[test]
fn a_killed_stranger_whose_parent_is_lazy_is_waited_for_by_census_k48() {
    killing("").goes(
        "signal CHLD -> reap
         no-children -> census
         company -> wait
         alarm -> alarm 20ms; census
         alone -> exit 3",
    );
}

#[test]
fn the_main_child_may_be_lost() {
    killing_with_main_child("").goes(
        "signal CHLD -> reap
         no-children -> say main-lost; census
         alone -> exit 125",
    );
}

#[test]
fn reports_and_signals_are_treated_as_while_draining() {
    killing_with_main_child("").goes(
        "signal TERM -> kill all TERM; wait
         signal HUP -> kill 7 HUP; wait
         signal CHLD -> reap
         stopped 7 STOP -> kill 7 CONT; reap
         trapped 9 USR2 -> detach 9 USR2; reap
         continued 7 -> reap
         none-ready -> wait",
    );
}

#[test]
fn nobody_is_killed_twice() {
    killing("").goes("alarm -> alarm 20ms; wait").is_in(Phase::Killing, 20);
}

#[test]
fn what_cannot_happen_while_killing_changes_nothing() {
    let never = ["spawned 8", "spawn-failed not-found"];
    killing("").shrugs_at(&never).goes("signal CHLD -> reap").shrugs_at(&never);
}
