use super::*;

#[test]
fn everybody_gone_is_the_end_before_the_grace_is() {
    draining("")
        .goes(
            "signal CHLD -> reap
             reaped 8 exit 0 -> reap
             no-children -> census
             alone -> exit 3",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn as_pid_1_no_children_is_not_nobody_for_somebody_may_have_entered_k48() {
    draining("")
        .goes(
            "signal CHLD -> reap
             no-children -> census
             company -> wait",
        )
        .is_in(Phase::Draining, 110);
}

#[test]
fn for_anyone_else_no_children_is_the_end_orphans_would_be_ours() {
    for role in ["subreaper", "plain"] {
        running(&format!("role={role}"))
            .goes(
                "signal CHLD -> reap
                 reaped 7 exit 3 -> kill descendants TERM, kill descendants CONT, alarm 50ms; reap
                 no-children -> exit 3",
            )
            .is_in(Phase::Exited, 0);
    }
}

#[test]
fn nothing_tells_of_a_strangers_end_so_each_tick_takes_a_census_k48() {
    draining("")
        .goes(
            "signal CHLD -> reap
             no-children -> census
             company -> wait
             alarm -> alarm 50ms; census
             company -> wait
             alarm -> alarm 10ms; census
             alone -> exit 3",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn while_there_are_children_a_tick_takes_no_census() {
    draining("").goes("alarm -> alarm 50ms; wait");
}

#[test]
fn a_stranger_with_a_child_that_became_ours_needs_no_census_until_that_is_gone() {
    let company = draining("").goes(
        "signal CHLD -> reap
         no-children -> census
         company -> wait
         signal CHLD -> reap",
    );
    company.goes(
        "none-ready -> wait
         alarm -> alarm 50ms; wait",
    );
    // A tick may come before the pass has ended; it goes on, and tells.
    company.goes(
        "reaped 8 exit 0 -> reap
         alarm -> alarm 50ms; reap
         no-children -> census",
    );
    assert!(company.init.company_only);
    let mut reaped = company;
    reaped.does("reaped 8 exit 0");
    assert!(!reaped.init.company_only, "a child was seen since");
}

#[test]
fn a_tick_asks_again_for_what_it_interrupted() {
    let life = draining("").goes(
        "signal CHLD -> reap
         alarm -> alarm 50ms; reap
         no-children -> census
         alarm -> alarm 10ms; census
         alarm -> say drain-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
    life.is_in(Phase::LastCall, 60);
}

#[test]
fn a_main_child_that_overslept_ends_now_and_its_exit_code_is_kept_s1() {
    draining_with_main_child("")
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 4 -> reap
             no-children -> census
             alone -> exit 4",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn its_exit_code_is_remapped_too_s1() {
    draining_with_main_child("remap-exit=4:44").goes(
        "signal CHLD -> reap
         reaped 7 exit 4 -> reap
         no-children -> census
         alone -> exit 44",
    );
}

#[test]
fn a_main_child_that_overslept_may_be_lost_too() {
    draining_with_main_child("")
        .goes(
            "signal CHLD -> reap
             no-children -> say main-lost; census
             alone -> exit 125",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn a_reaped_main_child_is_not_lost_by_having_no_children_s1() {
    draining("").goes(
        "signal CHLD -> reap
         no-children -> census
         company -> wait
         signal CHLD -> reap
         no-children -> census
         alone -> exit 3",
    );
}

#[test]
fn another_who_gets_the_main_childs_pid_does_not_change_the_exit_code_s1_s2() {
    draining("")
        .goes(
            "signal CHLD -> reap
             stopped 7 TSTP -> reap
             continued 7 -> reap
             reaped 7 exit 9 -> reap
             no-children -> census
             alone -> exit 3",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn reports_are_asked_for_until_there_are_none_s3() {
    draining("")
        .goes(
            "signal CHLD -> reap
             stopped 8 STOP -> reap
             trapped 8 USR1 -> detach 8 USR1; reap
             continued 8 -> reap
             reaped 8 exit 0 -> reap
             none-ready -> wait",
        )
        .is_in(Phase::Draining, 110);
}

#[test]
fn the_grace_over_everybody_is_asked_once_more_s10() {
    last_call_after(&draining(""));
    last_call_after(&draining_with_main_child(""));
}

#[test]
fn without_a_last_call_the_killing_follows_at_once() {
    running("drain-grace=30ms last-call=0")
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 0 -> kill all TERM, kill all CONT, alarm 30ms; reap
             none-ready -> wait
             alarm -> say drain-grace-over, say killing, kill all KILL, alarm 50ms; reap",
        )
        .is_in(Phase::Killing, 2000);
}

#[test]
fn what_cannot_happen_while_draining_changes_nothing() {
    let never = ["spawned 8", "spawn-failed not-found"];
    for life in [draining(""), draining_with_main_child("")] {
        life.shrugs_at(&never).goes("signal CHLD -> reap").shrugs_at(&never);
    }
}
