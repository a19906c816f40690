use super::*;

#[test]
fn whoever_was_born_after_the_asking_answers_now_and_we_are_done_s10() {
    last_call_after(&draining(""))
        .goes(
            "signal CHLD -> reap
             reaped 8 signal TERM -> reap
             no-children -> census
             alone -> exit 3",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn over_it_is_time_to_kill() {
    killing_after(&last_call_after(&draining("")));
    killing_after(&last_call_after(&draining_with_main_child("")));
}

#[test]
fn it_may_be_over_while_reports_are_asked_for_and_while_the_census_is_taken() {
    for request in ["signal CHLD -> reap", "signal CHLD -> reap\nno-children -> census"] {
        let again = if request.contains("census") { "census" } else { "reap" };
        last_call_after(&draining(""))
            .goes(request)
            .goes(&format!(
                "alarm -> alarm 10ms; {again}
                 alarm -> say killing, kill all KILL, alarm 50ms; reap"
            ))
            .is_in(Phase::Killing, 70);
    }
}

#[test]
fn who_is_not_pid_1_kills_only_descendants_s9() {
    running("role=subreaper drain-grace=30ms last-call=20ms kill-grace=10ms").goes(
        "signal CHLD -> reap
         reaped 7 exit 0 -> kill descendants TERM, kill descendants CONT, alarm 30ms; reap
         none-ready -> wait
         alarm -> say drain-grace-over, kill descendants TERM, kill descendants CONT, alarm 20ms; reap
         none-ready -> wait
         alarm -> say killing, kill descendants KILL, alarm 10ms; reap",
    );
}

#[test]
fn strangers_are_counted_at_each_tick_k48() {
    last_call_after(&draining(""))
        .goes(
            "signal CHLD -> reap
             no-children -> census
             company -> wait
             alarm -> alarm 10ms; census
             company -> wait",
        )
        .is_in(Phase::LastCall, 10);
}

#[test]
fn the_main_child_may_end_or_be_lost_in_it() {
    let life = last_call_after(&draining_with_main_child(""));
    life.goes(
        "signal CHLD -> reap
         reaped 7 exit 4 -> reap
         none-ready -> wait
         signal CHLD -> reap
         no-children -> census
         alone -> exit 4",
    );
    life.goes(
        "signal CHLD -> reap
         no-children -> say main-lost; census
         alone -> exit 125",
    );
}

#[test]
fn stop_and_continue_reports_are_taken() {
    last_call_after(&draining_with_main_child("")).goes(
        "signal CHLD -> reap
         stopped 7 STOP -> kill 7 CONT; reap
         trapped 8 TRAP -> detach 8; reap
         continued 7 -> reap
         none-ready -> wait",
    );
}

#[test]
fn signals_are_treated_as_while_draining() {
    last_call_after(&draining("")).goes(
        "signal TERM -> kill all TERM; wait
         signal USR1 -> wait",
    );
    last_call_after(&draining_with_main_child("")).goes(
        "signal TERM -> kill all TERM; wait
         signal USR1 -> kill 7 USR1; wait",
    );
}

#[test]
fn without_a_kill_grace_we_leave_the_moment_we_kill() {
    running("drain-grace=30ms last-call=20ms kill-grace=0")
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 0 -> kill all TERM, kill all CONT, alarm 30ms; reap
             none-ready -> wait
             alarm -> say drain-grace-over, kill all TERM, kill all CONT, alarm 20ms; reap
             none-ready -> wait
             alarm -> say killing, kill all KILL; exit 0",
        )
        .is_in(Phase::Exited, 0);
}

#[test]
fn what_cannot_happen_in_the_last_call_changes_nothing() {
    let never = ["spawned 8", "spawn-failed not-found"];
    last_call_after(&draining("")).shrugs_at(&never).goes("signal CHLD -> reap").shrugs_at(&never);
}
