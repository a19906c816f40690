use super::*;

#[test]
fn a_stopped_main_child_that_is_told_to_stop_must_be_able_to_k26() {
    for forward in ["", "forward=main"] {
        running(forward).goes(
            "signal CHLD -> reap
             stopped 7 STOP -> reap
             none-ready -> wait
             signal USR1 -> kill 7 USR1; wait
             signal TERM -> kill 7 TERM, kill 7 CONT; wait",
        );
    }
}

#[test]
fn also_when_the_stop_opens_the_stopping() {
    running("stop-grace=1s").goes(
        "signal CHLD -> reap
         stopped 7 STOP -> reap
         none-ready -> wait
         signal TERM -> kill 7 TERM, kill 7 CONT, alarm 50ms; wait
         signal INT -> kill 7 INT, kill 7 CONT; wait",
    );
}

#[test]
fn one_that_goes_on_needs_no_cont() {
    running("").goes(
        "signal CHLD -> reap
         stopped 7 STOP -> reap
         continued 7 -> reap
         none-ready -> wait
         signal TERM -> kill 7 TERM; wait",
    );
}

#[test]
fn a_report_that_was_on_its_way_when_it_was_told_to_stop_is_answered_by_cont() {
    running("").goes(
        "signal TERM -> kill 7 TERM; wait
         signal CHLD -> reap
         stopped 7 STOP -> kill 7 CONT; reap
         none-ready -> wait",
    );
    stopping("terminal").goes(
        "signal CHLD -> reap
         stopped 7 TSTP -> kill 7 CONT; reap
         none-ready -> wait",
    );
}

#[test]
fn one_that_goes_on_again_while_stopping_needs_no_further_cont() {
    stopping("").goes(
        "signal CHLD -> reap
         stopped 7 STOP -> kill 7 CONT; reap
         continued 7 -> reap
         none-ready -> wait
         signal INT -> kill 7 INT; wait",
    );
}

/// Nothing hangs on it any more, but a life that comes back to where it was must be the same
/// state, or there is no end of states to explore.
#[test]
fn one_that_goes_on_again_after_the_asking_is_as_it_was() {
    let before = draining_with_main_child("").goes("signal CHLD -> reap");
    let stopped = before.goes("stopped 7 STOP -> kill 7 CONT; reap");
    assert_ne!(stopped.init, before.init);
    assert_eq!(stopped.goes("continued 7 -> reap").init, before.init);
}

#[test]
fn the_asking_counts_as_being_told_to_stop() {
    // No event leads here today: who is asked with everybody had a stop signal before.
    let mut life = running(&format!("{SHORT} role=subreaper"));
    life.init.phase = Phase::Stopping;
    life.init.arm(Millis(10), &mut Effects::default());
    life.goes(
        "alarm -> say stop-grace-over, kill descendants TERM, kill descendants CONT, alarm 50ms; reap
         stopped 7 STOP -> kill 7 CONT; reap",
    );
}

#[test]
fn a_job_stopped_from_the_terminal_stops_us_too_and_goes_on_when_we_do_k72() {
    for role in ["subreaper", "plain"] {
        for signal in ["TSTP", "TTIN", "TTOU"] {
            running(&format!("role={role} terminal")).goes(&format!(
                "signal CHLD -> reap
                 stopped 7 {signal} -> stop-self, foreground 7, kill group 7 CONT; reap
                 continued 7 -> reap
                 none-ready -> wait
                 signal TERM -> kill 7 TERM; wait"
            ));
        }
    }
}

#[test]
fn as_pid_1_nobody_could_wake_us_so_it_goes_on_at_once_k72() {
    running("terminal").goes(
        "signal CHLD -> reap
         stopped 7 TSTP -> foreground 7, kill group 7 CONT; reap",
    );
}

#[test]
fn a_stop_that_is_not_the_terminals_is_somebodys_will() {
    for signal in ["STOP", "USR1"] {
        running("role=subreaper terminal").goes(&format!(
            "signal CHLD -> reap
             stopped 7 {signal} -> reap"
        ));
    }
}

#[test]
fn without_a_terminal_there_is_no_job_control() {
    running("role=subreaper").goes(
        "signal CHLD -> reap
         stopped 7 TSTP -> reap",
    );
}

#[test]
fn another_childs_stopping_and_going_on_is_its_own_business() {
    running("terminal").goes(
        "signal CHLD -> reap
         stopped 8 TSTP -> reap
         none-ready -> wait
         signal TERM -> kill 7 TERM; wait
         signal CHLD -> reap
         stopped 8 TSTP -> reap",
    );
    running("").goes(
        "signal CHLD -> reap
         stopped 7 STOP -> reap
         continued 8 -> reap
         none-ready -> wait
         signal TERM -> kill 7 TERM, kill 7 CONT; wait",
    );
}

#[test]
fn the_terminal_is_taken_back_when_the_main_child_is_gone_k81() {
    running("terminal").goes(
        "signal CHLD -> reap
         reaped 7 exit 0 -> foreground own, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
    stopping("terminal").goes(
        "signal CHLD -> reap
         reaped 7 exit 0 -> foreground own, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
    draining_with_main_child("terminal").goes(
        "signal CHLD -> reap
         reaped 8 exit 0 -> reap
         reaped 7 exit 0 -> foreground own; reap",
    );
    running("terminal drain-grace=0").goes(
        "signal CHLD -> reap
         reaped 7 exit 0 -> foreground own; exit 0",
    );
}

#[test]
fn a_child_that_asked_us_to_trace_it_is_let_go_with_its_signal_but_for_trap() {
    let text = "signal CHLD -> reap
                trapped 7 TRAP -> detach 7; reap
                trapped 8 TERM -> detach 8 TERM; reap
                trapped 9 RTMIN -> detach 9 RTMIN; reap
                none-ready -> wait";
    running("terminal").goes(text);
    stopping("").goes(text);
    draining("").goes(text);
}

/// A REPL that handles INT lives on; Ctrl-Z must still give the shell above its terminal.
#[test]
fn a_stop_signal_that_the_main_child_survives_leaves_job_control_as_it_was() {
    running("role=subreaper terminal").goes(
        "signal INT -> kill 7 INT; wait
         signal CHLD -> reap
         stopped 7 TSTP -> stop-self, foreground 7, kill group 7 CONT; reap",
    );
    // A stop that is not the terminal's is answered all the same.
    running("role=subreaper terminal").goes(
        "signal INT -> kill 7 INT; wait
         signal CHLD -> reap
         stopped 7 STOP -> kill 7 CONT; reap",
    );
}
