//! Part A: PID 1 of a PID namespace.

use super::*;

const SENDERS: [Sender; 3] =
    [Sender::Kernel, Sender::Outside, Sender::Inside(Pid::new(1).unwrap())];

/// K1.
#[test]
fn nothing_from_inside_reaches_a_pid_1_without_a_handler_and_yet_kill_succeeds() {
    for signal in signals() {
        let (mut kernel, child) = with_child();
        for sender in [child, one()] {
            assert_eq!(kernel.kill(Sender::Inside(sender), one(), signal, None), Ok(()));
            assert!(at(&kernel, one()).pending.is_empty(), "{signal} from {sender}");
        }
        assert_eq!(run(&mut kernel, one()), Delivery::GoesOn, "{signal}");
    }
}

/// K2.
#[test]
fn from_outside_only_kill_and_stop_reach_a_pid_1_without_a_handler() {
    for signal in signals() {
        let mut kernel = container();
        let expected = match signal {
            Signal::KILL => Delivery::Died,
            Signal::STOP => Delivery::Stands,
            _ => Delivery::GoesOn,
        };
        assert_eq!(strike(&mut kernel, one(), signal), expected, "{signal}");
    }
}

/// K3.
#[test]
fn a_handler_of_pid_1_runs_for_every_sender_and_what_it_ignores_is_dropped_for_every_sender() {
    for signal in maskable() {
        for sender in SENDERS {
            let mut kernel = container();
            handle(&mut kernel, one(), signal);
            kernel.generate(one(), signal, sender, None);
            assert_eq!(run(&mut kernel, one()), Delivery::Handles(signal, handler()));
            ignore(&mut kernel, one(), signal);
            kernel.generate(one(), signal, sender, None);
            assert!(at(&kernel, one()).pending.is_empty(), "{signal} from {sender:?}");
        }
    }
}

/// K4.
#[test]
fn a_blocked_signal_is_queued_whatever_the_disposition_and_whoever_sent_it() {
    let dispositions = [Disposition::Default, Disposition::Ignore, Disposition::Handle(handler())];
    for signal in maskable() {
        for (disposition, sender) in
            dispositions.iter().flat_map(|&d| SENDERS.map(|sender| (d, sender)))
        {
            let (mut kernel, child) = with_child();
            for pid in [one(), child] {
                kernel.set_disposition(pid, signal, disposition).unwrap();
                block(&mut kernel, pid, &[signal]);
                kernel.generate(pid, signal, sender, None);
                assert_eq!(run(&mut kernel, pid), Delivery::GoesOn);
                let taken = kernel.process_mut(pid).unwrap().take(signal);
                assert_eq!(taken, Some(None), "{signal} {disposition:?} {sender:?}");
            }
        }
    }
}

/// K5.
#[test]
fn a_signal_that_is_unblocked_without_a_handler_is_lost_on_pid_1_and_kills_others() {
    let (mut kernel, child) = with_child();
    for (pid, fate) in [(one(), Delivery::GoesOn), (child, Delivery::Died)] {
        block(&mut kernel, pid, &[Signal::TERM]);
        send(&mut kernel, pid, Signal::TERM);
        block(&mut kernel, pid, &[]);
        assert_eq!(run(&mut kernel, pid), fate);
    }
    assert!(at(&kernel, one()).pending.is_empty());
}

/// K9.
#[test]
fn a_signal_before_the_mask_is_lost_unless_whoever_started_pid_1_had_blocked_it() {
    let mut kernel = container();
    send(&mut kernel, one(), Signal::TERM);
    block(&mut kernel, one(), &[Signal::TERM]);
    assert_eq!(kernel.process_mut(one()).unwrap().take(Signal::TERM), None);

    send(&mut kernel, one(), Signal::TERM);
    kernel.exec(one(), Code::default());
    assert_eq!(kernel.process_mut(one()).unwrap().take(Signal::TERM), Some(None));
}

/// K10.
#[test]
fn pid_1_cannot_end_by_a_signal_of_its_own_and_others_can() {
    for signal in [Signal::TERM, Signal::KILL, signal(6), Signal::STOP] {
        let (mut kernel, child) = with_child();
        for pid in [one(), child] {
            kernel.kill(Sender::Inside(pid), pid, signal, None).unwrap();
        }
        assert_eq!(run(&mut kernel, one()), Delivery::GoesOn, "{signal}");
        assert_ne!(run(&mut kernel, child), Delivery::GoesOn, "{signal}");
    }
    let mut kernel = container();
    kernel.exit(one(), 143);
    assert!(!at(&kernel, one()).is_alive());
}

/// K13.
#[test]
fn what_the_kernel_sends_is_dropped_by_pid_1_too_but_for_kill() {
    let asynchronous =
        [Signal::PIPE, signal(14), signal(24), Signal::XFSZ, Signal::INT, Signal::TSTP];
    for signal in asynchronous {
        let mut kernel = container();
        kernel.generate(one(), signal, Sender::Kernel, None);
        assert_eq!(run(&mut kernel, one()), Delivery::GoesOn, "{signal}");
    }
    let mut kernel = container();
    kernel.generate(one(), Signal::KILL, Sender::Kernel, None);
    assert_eq!(run(&mut kernel, one()), Delivery::Died);
}

/// K14.
#[test]
fn a_stopped_pid_1_is_resumed_by_a_cont_from_inside_that_itself_is_dropped() {
    let (mut kernel, child) = with_child();
    strike(&mut kernel, one(), Signal::STOP);
    assert!(is_stopped(&kernel, one()));
    kernel.kill(Sender::Inside(child), one(), Signal::CONT, None).unwrap();
    assert!(!is_stopped(&kernel, one()));
    assert!(at(&kernel, one()).pending.is_empty());
}
