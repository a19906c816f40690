//! Storms: very many children end. Here they begin with the first look.

use super::*;

/// Running, and in a storm that has not settled.
fn storm(words: &str) -> Life {
    Life::begins(&format!("{SHORT} storm=1 {words}")).goes(
        "spawned 7 -> reap
         none-ready -> settle 20ms",
    )
}

/// The kernel reaps.
fn entrusted(words: &str) -> Life {
    storm(words).goes(
        "signal CHLD from 8 -> prove 7
         proven 8 exit 0 -> kernel-reaps; reap
         reaped 9 signal KILL -> reap
         none-ready -> watch 7",
    )
}

#[test]
fn a_storm_begins_after_so_many_looks_in_vain_and_not_before() {
    let look = "signal CHLD -> reap
                reaped 8 exit 0 -> reap
                none-ready -> wait\n";
    let last = "signal CHLD -> reap
                reaped 8 exit 0 -> reap
                none-ready -> settle 20ms";
    // The first look is the one at the start.
    let seven = Life::begins("").goes("spawned 7 -> reap\n none-ready -> wait");
    seven.goes(&format!("{}{last}", look.repeat(6)));
    let three = Life::begins("storm=3").goes("spawned 7 -> reap\n none-ready -> wait");
    three.goes(&format!("{look}{last}"));
    let never = Life::begins("storm=never").goes("spawned 7 -> reap\n none-ready -> wait");
    never.goes(&look.repeat(300));
}

#[test]
fn when_it_was_quiet_and_nobody_was_named_there_is_nothing_to_look_for() {
    storm("").goes("settled -> wait");
    storm("kernel-reaping=off").goes(
        "signal USR1 -> kill 7 USR1; settle 20ms
         settled -> wait
         signal CHLD -> reap
         none-ready -> settle 20ms",
    );
}

#[test]
fn who_is_named_is_reaped_by_its_pid_and_all_are_looked_at_when_it_is_quiet() {
    storm("kernel-reaping=off").goes(
        "signal CHLD from 8 -> reap 8
         reaped 8 exit 0 -> settle 20ms
         signal CHLD from 9 -> reap 9
         none-ready -> settle 20ms
         settled -> reap
         reaped 10 exit 0 -> reap
         none-ready -> settle 20ms
         settled -> wait",
    );
}

#[test]
fn all_are_looked_at_after_four_for_each_look_that_the_storm_began_after() {
    let named = "signal CHLD from 8 -> reap 8
                 reaped 8 exit 0 -> settle 20ms\n";
    let look = "signal CHLD from 8 -> reap
                none-ready -> settle 20ms\n";
    storm("kernel-reaping=off").goes(&format!("{0}{look}{0}{look}", named.repeat(4)));
}

#[test]
fn no_flood_of_signals_keeps_us_from_looking_for_whom_a_chld_hid() {
    let signal = "signal USR1 -> kill 7 USR1; settle 20ms\n";
    storm("kernel-reaping=off").goes(&format!(
        "signal CHLD from 8 -> reap 8
         reaped 8 exit 0 -> settle 20ms
         {}signal USR1 -> kill 7 USR1; reap
         reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap
         none-ready -> settle 2ms
         signal CHLD from 9 -> reap 9
         reaped 9 exit 0 -> settle 2ms
         {}signal USR1 -> reap",
        signal.repeat(3),
        "signal USR1 -> settle 2ms\n".repeat(3)
    ));
    // Where nobody was named nobody is hidden.
    storm("kernel-reaping=off").goes(&format!("{}settled -> wait", signal.repeat(9)));
}

#[test]
fn when_it_was_quiet_while_stopping_there_is_nothing_to_look_for_either() {
    storm("kernel-reaping=off").goes(
        "signal TERM -> kill 7 TERM, alarm 50ms; settle 20ms
         settled -> wait",
    );
}

#[test]
fn whoever_few_are_left_is_noticed_at_once_after_each_asking() {
    let calm = |life: Life| {
        life.goes(
            "none-ready -> wait
             signal CHLD -> reap
             none-ready -> settle 2ms
             settled -> wait",
        )
    };
    let draining = Life::begins(&format!("{SHORT} storm=2")).goes(
        "spawned 7 -> reap
         reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap",
    );
    let last_call = calm(draining).goes(
        "alarm -> alarm 50ms; wait
         alarm -> alarm 10ms; wait
         alarm -> say drain-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
    let killing = calm(last_call).goes(
        "alarm -> alarm 10ms; wait
         alarm -> say killing, kill all KILL, alarm 50ms; reap",
    );
    calm(killing);
}

#[test]
fn it_is_quiet_after_a_time_that_nobody_notices() {
    // Longer than the scheduler's clock (10 ms at most); shorter than a tick.
    assert!(SETTLE > Millis(10) && SETTLE < TICK);
    assert!(SETTLE_ASKED > Millis::ZERO && SETTLE_ASKED < Millis(5));
}

#[test]
fn an_answer_is_about_what_was_asked() {
    let admits = |request: &str, event: &str| {
        let request: Request = request.parse().unwrap();
        request.admits(event.parse().unwrap())
    };
    for (request, its, not_its) in [
        (
            "watch 7",
            &["reaped 7 exit 0", "alarm", "signal USR1"][..],
            &["reaped 8 exit 0", "settled"][..],
        ),
        (
            "prove 7",
            &["proven 8 exit 0", "reaped 7 exit 0", "reaped 8 exit 0", "no-children"],
            &["proven 7 exit 0", "settled"],
        ),
        (
            "reap 8",
            &["reaped 8 exit 0", "stopped 8 STOP", "none-ready", "alarm"],
            &["reaped 7 exit 0", "continued 7", "no-children"],
        ),
        (
            "settle 2ms",
            &["settled", "signal CHLD from 8", "signal CHLD", "alarm"],
            &["reaped 8 exit 0", "none-ready"],
        ),
        ("wait", &["signal CHLD", "alarm"], &["signal CHLD from 8", "settled", "reaped 7 exit 0"]),
        ("reap", &["reaped 8 exit 0", "no-children"], &["proven 8 exit 0", "settled"]),
    ] {
        for event in its {
            assert!(admits(request, event), "{event} to {request}");
        }
        for event in not_its {
            assert!(!admits(request, event), "{event} to {request}");
        }
    }
}

#[test]
fn a_chld_that_names_nobody_leads_to_a_look_at_all() {
    storm("kernel-reaping=off").goes("signal CHLD -> reap");
}

#[test]
fn the_main_child_can_be_named_too_and_a_stop_of_it_is_a_stop() {
    let life = storm("kernel-reaping=off").goes(
        "signal CHLD from 7 -> reap 7
         stopped 7 STOP -> settle 20ms
         signal TERM -> kill 7 TERM, kill 7 CONT, alarm 50ms; settle 20ms
         signal CHLD from 7 -> reap 7
         continued 7 -> settle 20ms
         signal CHLD from 7 -> reap 7
         alarm -> alarm 50ms; reap 7
         trapped 7 USR1 -> detach 7 USR1; settle 20ms
         signal CHLD from 7 -> reap",
    );
    life.goes("reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap")
        .is_in(Phase::Draining, 110);
    life.goes(
        "alarm -> alarm 20ms; reap
         alarm -> say stop-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
}

#[test]
fn the_drain_begins_without_a_storm_and_can_have_its_own() {
    Life::begins(&format!("{SHORT} storm=2 kernel-reaping=off"))
        .goes(
            "spawned 7 -> reap
             none-ready -> wait
             signal CHLD -> reap
             none-ready -> settle 20ms
             settled -> wait",
        )
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait
             signal CHLD -> reap
             reaped 8 exit 0 -> reap
             none-ready -> settle 2ms
             signal CHLD from 9 -> reap 9
             reaped 9 exit 0 -> settle 2ms
             signal TERM -> kill all TERM; settle 2ms
             settled -> reap
             no-children -> census
             alone -> exit 3",
        );
}

#[test]
fn what_hides_in_a_storm_is_found_at_the_next_tick_however_late_we_are() {
    storm("kernel-reaping=off")
        .goes(
            "signal CHLD from 7 -> reap 7
             reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> settle 2ms
             signal CHLD from 8 -> reap 8
             reaped 8 exit 0 -> settle 2ms
             alarm -> alarm 50ms; reap
             none-ready -> settle 2ms
             alarm -> alarm 10ms; wait",
        )
        .is_in(Phase::Draining, 10);
}

#[test]
fn the_kernel_reaps_once_it_is_proven_that_it_tells_the_main_childs_end() {
    entrusted("").goes(
        "signal USR1 -> kill 7 USR1; watch 7
         signal CHLD -> reap
         none-ready -> watch 7
         reaped 7 exit 3 -> init-reaps, kill all TERM, kill all CONT, alarm 50ms; reap
         no-children -> census
         alone -> exit 3",
    );
    entrusted("drain-grace=0").goes("reaped 7 signal TERM -> exit 143");
}

#[test]
fn where_it_is_not_proven_it_is_not_tried_again() {
    storm("").goes(
        "signal CHLD from 8 -> prove 7
         reaped 8 exit 0 -> reap
         none-ready -> settle 20ms
         signal CHLD from 9 -> reap 9
         reaped 9 exit 0 -> settle 20ms
         settled -> reap
         none-ready -> settle 20ms",
    );
}

#[test]
fn where_there_was_no_orphan_to_prove_it_on_it_is_tried_again() {
    storm("").goes(
        "signal CHLD from 7 -> prove 7
         stopped 7 STOP -> reap
         continued 7 -> reap
         none-ready -> settle 20ms
         settled -> wait
         signal CHLD -> prove 7
         none-ready -> settle 20ms
         signal CHLD from 9 -> prove 7
         reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap",
    );
}

#[test]
fn from_the_first_stop_signal_on_we_reap_again_because_stops_are_told_only_then() {
    let life = entrusted("");
    life.goes(
        "signal TERM -> init-reaps, kill 7 TERM, alarm 50ms; reap
         stopped 7 STOP -> kill 7 CONT; reap
         continued 7 -> reap
         none-ready -> settle 20ms
         signal CHLD from 8 -> reap 8",
    )
    .is_in(Phase::Stopping, 120);
    // It had ended before: then that is told first.
    life.goes(
        "signal TERM -> init-reaps, kill 7 TERM, alarm 50ms; reap
         reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap",
    );
    // Nobody is told: the kernel goes on.
    entrusted("rewrite=TERM:0").goes("signal TERM -> watch 7");
}

#[test]
fn the_kernel_never_reaps_with_a_terminal_nor_where_it_may_not_nor_after_a_stop_signal() {
    for words in ["terminal", "kernel-reaping=off"] {
        storm(words).goes("signal CHLD from 8 -> reap 8");
    }
    // Found by the search: told to end before the storm, it stopped in it, and nobody was told.
    Life::begins("storm=1").goes(
        "spawned 7 -> reap
         none-ready -> settle 20ms
         signal TERM -> kill 7 TERM; settle 20ms
         signal CHLD from 8 -> reap 8",
    );
}

#[test]
fn no_children_while_the_kernel_reaps_means_that_the_main_child_is_lost() {
    entrusted("").goes(
        "signal CHLD -> reap
         no-children -> say main-lost, init-reaps, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
}
