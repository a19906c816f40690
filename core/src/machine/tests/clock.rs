use super::*;

#[test]
fn a_tick_is_half_of_what_a_strangers_end_may_stay_unnoticed() {
    assert_eq!(TICK, Millis(50));
    assert_eq!(FROZEN, Millis(200));
}

#[test]
fn a_grace_is_counted_in_ticks_the_last_one_being_the_rest_of_it() {
    stopping("")
        .goes("alarm -> alarm 50ms; wait")
        .is_in(Phase::Stopping, 70)
        .goes("alarm -> alarm 20ms; wait")
        .is_in(Phase::Stopping, 20);
}

#[test]
fn a_late_tick_counts_as_long_as_it_was() {
    running("drain-grace=1s")
        .goes(
            "signal CHLD -> reap
             reaped 7 exit 0 -> kill all TERM, kill all CONT, alarm 50ms; reap
             none-ready -> wait
             alarm late 199ms -> alarm 50ms; wait",
        )
        .is_in(Phase::Draining, 1000 - 50 - 199)
        .goes("alarm late 1ms -> alarm 50ms; wait")
        .is_in(Phase::Draining, 1000 - 50 - 199 - 51);
}

#[test]
fn a_tick_late_enough_ends_the_grace_early() {
    stopping("").goes(
        "alarm late 70ms -> say stop-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
    stopping("").goes("alarm late 69ms -> alarm 1ms; wait").is_in(Phase::Stopping, 1);
}

/// S11, K97: paused; the time did run on, but nobody could use it to end.
#[test]
fn a_tick_that_the_whole_container_slept_through_does_not_count_in_any_phase() {
    let frozen = "alarm late 200ms -> alarm 50ms; wait
                  alarm late 10m -> alarm 50ms; wait";
    let drains = draining("");
    let calls = last_call_after(&drains);
    for life in [stopping(""), drains, calls, killing_after(&calls)] {
        let left = life.init.left().0;
        life.goes(frozen).is_in(life.init.phase(), left);
    }
}

#[test]
fn the_rest_of_a_tick_that_was_slept_through_is_armed_again() {
    killing_after(&last_call_after(&draining("")))
        .goes(
            "alarm -> alarm 20ms; wait
             alarm late 5s -> alarm 20ms; wait
             alarm -> say kill-grace-over; exit 3",
        )
        .is_in(Phase::Exited, 0);
}

/// L2: the alarm comes before any report, so it is the machine that must not start again.
#[test]
fn neither_signals_nor_deaths_put_the_end_of_a_grace_off() {
    draining("").goes(
        "signal TERM -> kill all TERM; wait
         signal CHLD -> reap
         reaped 8 exit 0 -> reap
         alarm -> alarm 50ms; reap
         reaped 9 exit 0 -> reap
         stopped 10 STOP -> reap
         alarm -> alarm 10ms; reap
         continued 10 -> reap
         alarm -> say drain-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap",
    );
}

/// L2: a machine on which every tick is late is busy, not frozen.
#[test]
fn only_so_many_ticks_of_a_grace_are_forgiven_and_each_grace_has_its_own() {
    let frozen = "alarm late 200ms -> alarm 50ms; wait\n".repeat(usize::from(FORGIVEN));
    let over =
        "alarm late 200ms -> say stop-grace-over, kill all TERM, kill all CONT, alarm 50ms; reap
                none-ready -> wait";
    let drains = stopping("drain-grace=1s").goes(&frozen).is_in(Phase::Stopping, 120).goes(over);
    drains.goes(&frozen).is_in(Phase::Draining, 1000);
}
