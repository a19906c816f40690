//! Parts 0 and B: dispositions and queues.

use lastout_core::Status;

use super::super::Errno;
use super::*;

fn ended_by(kernel: &Kernel, pid: Pid) -> u8 {
    match at(kernel, pid).state {
        State::Zombie(Status::Killed { signal, .. }) => signal.number(),
        other => panic!("{other:?}"),
    }
}

/// The number of the signal that a process dies of that is sent these two before it runs.
fn dies_of(first: Signal, then: Signal) -> u8 {
    let (mut kernel, child) = with_child();
    send(&mut kernel, child, first);
    send(&mut kernel, child, then);
    assert_eq!(run(&mut kernel, child), Delivery::Died);
    ended_by(&kernel, child)
}

/// Part 0: a death that a signal begins when it is generated is over with all that comes later,
/// and what comes first decides (seen on Linux 6.18 with a process that could not run yet).
#[test]
fn the_first_signal_that_kills_by_default_decides_how_a_process_ends() {
    let cases = [
        (Signal::TERM, Signal::KILL, 15),
        (Signal::TERM, Signal::HUP, 15),
        (signal(40), Signal::TERM, 40),
        (Signal::KILL, Signal::TERM, 9),
    ];
    for (first, then, expected) in cases {
        assert_eq!(dies_of(first, then), expected, "{first}, then {then}");
    }
}

/// Part 0: what dumps core begins its death only when it is delivered, and so does what comes
/// while another signal waits for delivery.
#[test]
fn a_death_that_has_not_begun_can_be_overtaken() {
    let cases = [(Signal::QUIT, Signal::KILL, 9), (Signal::QUIT, Signal::HUP, 1)];
    for (first, then, expected) in cases {
        assert_eq!(dies_of(first, then), expected, "{first}, then {then}");
    }
    let (mut kernel, child) = with_child();
    handle(&mut kernel, child, Signal::USR1);
    send(&mut kernel, child, Signal::USR1);
    send(&mut kernel, child, Signal::HUP);
    send(&mut kernel, child, Signal::KILL);
    assert_eq!(run(&mut kernel, child), Delivery::Died);
    assert_eq!(ended_by(&kernel, child), 9);
}

/// K18.
#[test]
fn kill_and_stop_can_be_neither_handled_nor_ignored_nor_blocked() {
    let (mut kernel, child) = with_child();
    for signal in [Signal::KILL, Signal::STOP] {
        for to in [Disposition::Default, Disposition::Ignore, Disposition::Handle(handler())] {
            assert_eq!(kernel.set_disposition(child, signal, to), Err(Errno::Invalid));
        }
    }
    kernel.set_blocked(child, SignalSet::FULL);
    let open: Vec<_> = signals().filter(|s| !at(&kernel, child).blocked.contains(*s)).collect();
    assert_eq!(open, [Signal::KILL, Signal::STOP]);
}

/// A process with something of everything that fork and exec treat differently.
fn loaded() -> (Kernel, Pid) {
    let (mut kernel, parent) = with_child();
    handle(&mut kernel, parent, Signal::TERM);
    ignore(&mut kernel, parent, Signal::INT);
    block(&mut kernel, parent, &[Signal::USR1]);
    send(&mut kernel, parent, Signal::USR1);
    let process = kernel.process_mut(parent).unwrap();
    process.no_child_wait = true;
    (kernel, parent)
}

/// K19.
#[test]
fn fork_keeps_mask_and_dispositions_and_nothing_pending() {
    let (mut kernel, parent) = loaded();
    let child = child_of(&mut kernel, parent);
    let (parent, child) = (at(&kernel, parent), at(&kernel, child));
    assert_eq!((child.handlers, child.ignored), (parent.handlers, parent.ignored));
    assert_eq!(child.blocked, set_of(&[Signal::USR1]));
    assert!(child.no_child_wait);
    assert!(child.pending.is_empty());
}

/// K19.
#[test]
fn exec_keeps_all_but_handlers_and_their_flags() {
    let (mut kernel, pid) = loaded();
    kernel.exec(pid, Code::start(3));
    let process = at(&kernel, pid);
    assert_eq!(process.disposition(Signal::TERM), Disposition::Default);
    assert_eq!(process.disposition(Signal::INT), Disposition::Ignore);
    assert_eq!(process.blocked, set_of(&[Signal::USR1]));
    assert_eq!(process.pending, set_of(&[Signal::USR1]));
    assert!(!process.no_child_wait);
    assert_eq!(process.code.program, 3);
}

/// K19.
#[test]
fn pid_1_is_protected_after_exec_as_before() {
    let mut kernel = container();
    kernel.exec(one(), Code::default());
    assert_eq!(strike(&mut kernel, one(), Signal::TERM), Delivery::GoesOn);
}

/// K21.
#[test]
fn a_standard_signal_is_pending_once_with_the_first_value_and_real_time_ones_queue() {
    let (mut kernel, child) = with_child();
    let real_time = signal(35);
    block(&mut kernel, child, &[Signal::TERM, real_time]);
    for value in 1..=5 {
        for signal in [Signal::TERM, real_time] {
            kernel.kill(Sender::Outside, child, signal, Some(value)).unwrap();
        }
    }
    let process = kernel.process_mut(child).unwrap();
    assert_eq!(process.take(Signal::TERM), Some(Some(1)));
    assert_eq!(process.take(Signal::TERM), None);
    let taken: Vec<_> = std::iter::from_fn(|| process.take(real_time)).flatten().collect();
    assert_eq!(taken, [1, 2, 3, 4, 5]);
    assert!(process.pending.is_empty());
}

/// K22.
#[test]
fn the_lowest_number_is_delivered_first() {
    let (mut kernel, child) = with_child();
    let handled = [Signal::HUP, Signal::USR1, Signal::TERM, signal(34)];
    for signal in handled {
        handle(&mut kernel, child, signal);
    }
    for signal in handled.into_iter().rev() {
        send(&mut kernel, child, signal);
    }
    for signal in handled {
        assert_eq!(run(&mut kernel, child), Delivery::Handles(signal, handler()));
    }
    assert_eq!(run(&mut kernel, child), Delivery::GoesOn);
}

/// K23.
#[test]
fn what_will_be_ignored_is_no_longer_pending_even_if_it_is_blocked() {
    let cases = [
        (Signal::TERM, Disposition::Ignore, false),
        (Signal::TERM, Disposition::Default, true),
        (Signal::TERM, Disposition::Handle(handler()), true),
        (Signal::CHLD, Disposition::Ignore, false),
        (Signal::CHLD, Disposition::Default, false),
        (Signal::CHLD, Disposition::Handle(handler()), true),
        (Signal::WINCH, Disposition::Default, false),
        (signal(40), Disposition::Ignore, false),
    ];
    for (signal, to, stays) in cases {
        let (mut kernel, child) = with_child();
        block(&mut kernel, child, &[signal]);
        send(&mut kernel, child, signal);
        kernel.set_disposition(child, signal, to).unwrap();
        let process = kernel.process_mut(child).unwrap();
        assert_eq!(process.take(signal).is_some(), stays, "{signal} {to:?}");
        assert!(process.queue.is_empty());
    }
}

/// Part 0: the lists of what is ignored and what stops by default; K72 has the stops that an
/// orphaned group is spared.
#[test]
fn by_default_four_are_ignored_four_stop_and_all_others_kill() {
    for signal in signals() {
        let (mut kernel, child) = with_child();
        let expected = match signal.number() {
            17 | 18 | 23 | 28 => Delivery::GoesOn,
            19..=22 => Delivery::Stands,
            _ => Delivery::Died,
        };
        assert_eq!(strike(&mut kernel, child, signal), expected, "{signal}");
    }
}
