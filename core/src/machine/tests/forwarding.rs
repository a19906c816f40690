use super::*;

/// All but those that cannot be taken, and CHLD.
fn forwardable() -> impl Iterator<Item = Signal> {
    let ours = [Signal::KILL, Signal::STOP, Signal::CHLD];
    (1..=64).filter_map(Signal::new).filter(move |signal| !ours.contains(signal))
}

#[test]
fn every_forwardable_signal_is_sent_on_once_to_the_main_child_s4() {
    assert_eq!(forwardable().count(), 61);
    let mut life = running("");
    for signal in forwardable() {
        life = life.goes(&format!("signal {signal} -> kill 7 {signal}; wait"));
    }
}

#[test]
fn chld_is_never_sent_on_whoever_sent_it_s5() {
    for forward in ["main", "group", "all"] {
        let words = format!("forward={forward} stop-signal=CHLD,TERM");
        running(&words).goes("signal CHLD -> reap");
        running(&words).goes("signal CHLD value 3 -> reap");
    }
    stopping("").goes("signal CHLD -> reap");
    draining_with_main_child("").goes("signal CHLD -> reap");
}

#[test]
fn a_value_goes_to_the_main_child_and_is_nobody_elses_s4() {
    running("").goes("signal RTMIN+3 value 42 -> kill 7 RTMIN+3 value 42; wait");
    running("rewrite=RTMIN:USR1").goes("signal RTMIN value 0 -> kill 7 USR1 value 0; wait");
    running("forward=group").goes("signal RTMIN value 42 -> kill group 7 RTMIN; wait");
    running("forward=all").goes("signal RTMIN value 42 -> kill all RTMIN; wait");
}

#[test]
fn to_the_group_or_to_everybody_if_the_policy_says_so() {
    running("forward=group").goes("signal HUP -> kill group 7 HUP; wait");
    running("forward=all").goes("signal HUP -> kill all HUP; wait");
    for role in ["subreaper", "plain"] {
        running(&format!("forward=all role={role}"))
            .goes("signal HUP -> kill descendants HUP; wait");
    }
}

#[test]
fn rewritten_or_dropped_if_the_policy_says_so() {
    running("rewrite=HUP:QUIT rewrite=USR1:0").goes(
        "signal HUP -> kill 7 QUIT; wait
         signal USR1 -> wait
         signal QUIT -> kill 7 QUIT; wait",
    );
}

#[test]
fn after_the_asking_a_stop_signal_is_for_everybody_and_another_for_nobody() {
    draining("").goes(
        "signal TERM -> kill all TERM; wait
         signal INT -> kill all INT; wait
         signal USR1 -> wait
         signal CONT -> wait
         signal RTMIN value 7 -> wait",
    );
}

#[test]
fn after_the_asking_a_stop_signal_is_rewritten_or_dropped_too() {
    draining("rewrite=TERM:QUIT rewrite=INT:0").goes(
        "signal TERM -> kill all QUIT; wait
         signal INT -> wait",
    );
}

#[test]
fn after_the_asking_nobody_gets_what_everybody_was_to_get_but_by_a_stop_signal() {
    draining("forward=all").goes("signal USR1 -> wait");
    draining("forward=group").goes("signal USR1 -> wait");
}

/// S4: it is unreaped, so what is taken goes to it, once.
#[test]
fn after_the_asking_a_main_child_that_is_still_there_gets_every_signal() {
    draining_with_main_child("").goes(
        "signal USR1 -> kill 7 USR1; wait
         signal RTMIN value 7 -> kill 7 RTMIN value 7; wait
         signal TERM -> kill all TERM; wait",
    );
}

/// S4: the death is not known before the reaping.
#[test]
fn between_the_death_and_the_reaping_a_signal_goes_to_the_zombie_whose_pid_it_still_is() {
    running("").goes(
        "signal TERM -> kill 7 TERM; wait
         signal CHLD -> reap
         reaped 7 signal TERM -> kill all TERM, kill all CONT, alarm 50ms; reap",
    );
}

#[test]
fn once_reaped_the_main_childs_pid_may_be_anybodys_and_is_forgotten_s2() {
    assert_eq!(draining("").init.main_child(), None);
    assert_eq!(draining_with_main_child("").init.main_child(), Pid::new(7));
    let reaped = draining_with_main_child("").goes(
        "signal CHLD -> reap
         reaped 7 exit 0 -> reap
         none-ready -> wait
         signal USR1 -> wait",
    );
    assert_eq!(reaped.init.main_child(), None);
}
