//! Storms: very many children end. Here they begin with the first look.

use super::*;

/// Running, and in a storm that has not settled.
fn storm(words: &str) -> Life {
    Life::begins(&format!("{SHORT} storm=1 {words}")).goes(
        "spawned 7 -> reap
         none-ready -> settle",
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
                none-ready -> settle";
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
        "signal USR1 -> kill 7 USR1; settle
         settled -> wait
         signal CHLD -> reap
         none-ready -> settle",
    );
}

#[test]
fn who_is_named_is_reaped_by_its_pid_and_all_are_looked_at_when_it_is_quiet() {
    storm("kernel-reaping=off").goes(
        "signal CHLD from 8 -> reap 8
         reaped 8 exit 0 -> settle
         signal CHLD from 9 -> reap 9
         none-ready -> settle
         settled -> reap
         reaped 10 exit 0 -> reap
         none-ready -> settle
         settled -> wait",
    );
}

#[test]
fn all_are_looked_at_after_four_for_each_look_that_the_storm_began_after() {
    let named = "signal CHLD from 8 -> reap 8
                 reaped 8 exit 0 -> settle\n";
    let look = "signal CHLD from 8 -> reap
                none-ready -> settle\n";
    storm("kernel-reaping=off").goes(&format!("{0}{look}{0}{look}", named.repeat(4)));
}

#[test]
fn a_chld_that_names_nobody_leads_to_a_look_at_all() {
    storm("kernel-reaping=off").goes("signal CHLD -> reap");
}

#[test]
fn the_main_child_can_be_named_too_and_a_stop_of_it_is_a_stop() {
    let life = storm("kernel-reaping=off").goes(
        "signal CHLD from 7 -> reap 7
         stopped 7 STOP -> settle
         signal TERM -> kill 7 TERM, kill 7 CONT, alarm 50ms; settle
         signal CHLD from 7 -> reap 7
         continued 7 -> settle
         signal CHLD from 7 -> reap 7
         alarm -> alarm 50ms; reap 7
         trapped 7 USR1 -> detach 7 USR1; settle
         signal CHLD from 7 -> reap 7",
    );
    life.goes("reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap")
        .is_in(Phase::Draining, 110);
    life.goes(
        "alarm -> alarm 20ms; reap 7
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
             none-ready -> settle
             settled -> wait",
        )
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 3 -> kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait
             signal CHLD -> reap
             reaped 8 exit 0 -> reap
             none-ready -> settle
             signal CHLD from 9 -> reap 9
             reaped 9 exit 0 -> settle
             signal TERM -> kill all TERM; settle
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
             none-ready -> settle
             signal CHLD from 8 -> reap 8
             reaped 8 exit 0 -> settle
             alarm -> alarm 50ms; reap
             none-ready -> settle
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
         none-ready -> settle
         signal CHLD from 9 -> reap 9
         reaped 9 exit 0 -> settle
         settled -> reap
         none-ready -> settle",
    );
}

#[test]
fn where_there_was_no_orphan_to_prove_it_on_it_is_tried_again() {
    storm("").goes(
        "signal CHLD from 7 -> prove 7
         stopped 7 STOP -> reap
         continued 7 -> reap
         none-ready -> settle
         settled -> wait
         signal CHLD -> prove 7
         none-ready -> settle
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
         none-ready -> settle
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
         none-ready -> settle
         signal TERM -> kill 7 TERM; settle
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
