//! K96 to K99: what is frozen, what goes on meanwhile, and what cuts a wait short.
//!
//! K97 was first told of ppoll(2) too. It is not so: ppoll and pselect wait on, after they were
//! held, for what was left when they were; only the others' time has passed meanwhile.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use lastout_tests::container::pipe;
use libc::{
    SIGCONT as CONT, SIGKILL as KILL, SIGQUIT as QUIT, SIGSTOP as STOP, SIGTERM as TERM,
    SIGUSR1 as USR1, c_long,
};
use nix::errno::Errno::{self, EAGAIN, EINTR};

use crate::calls;
use crate::cgroup::{Cgroup, Freezer};
use crate::ground::{LIMIT, Shared, fork, ground, reap, stay, stayer, try_wait, until};
use crate::proc::{pending, sleeps_in, state};
use crate::signals::{Tally, kill, set_mask, take_within, unblock_all};

/// A process that has everything at default, and one that handles this signal.
fn at_default() -> i32 {
    stayer(unblock_all)
}

fn handling(tally: Tally, signal: i32) -> i32 {
    stayer(|| {
        tally.handle(signal);
        unblock_all();
    })
}

/// Others that are killed now are dead: if somebody killed before is not, it is no matter of time.
fn others_die() {
    for _ in 0..3 {
        let other = at_default();
        kill(other, KILL).expect("KILL");
        assert_eq!(reap(other), KILL);
    }
}

#[test]
fn k096_in_a_version_1_freezer_nothing_is_delivered_before_the_thaw_not_even_kill() {
    ground(|| {
        let group = Cgroup::frozen_by(Freezer::Version1);
        let tally = Tally::new();
        let all = [at_default(), at_default(), handling(tally, TERM)];
        let [killed, asked, handles] = all;
        for pid in all {
            group.add(pid);
        }
        group.freeze();
        assert_eq!(all.map(state), ['D'; 3]);
        kill(killed, KILL).expect("KILL");
        kill(asked, TERM).expect("TERM");
        kill(handles, TERM).expect("TERM");
        others_die();
        assert_eq!(all.map(state), ['D'; 3]);
        assert!(group.is_frozen());
        assert!(pending(killed).contains(&KILL) && pending(asked).contains(&TERM));
        assert_eq!((pending(handles), tally.of(TERM)), (vec![TERM], 0));
        group.thaw();
        assert_eq!((reap(killed), reap(asked)), (KILL, TERM));
        until("the handler runs", || tally.of(TERM) == 1);
    });
}

#[test]
fn k096_in_a_version_2_freezer_kill_and_a_term_at_default_kill_and_handlers_and_core_dumps_wait() {
    ground(|| {
        let group = Cgroup::frozen_by(Freezer::Version2);
        let tally = Tally::new();
        let dumps = stayer(|| {
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: the limit is ours.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) }, 0);
            unblock_all();
        });
        let all = [at_default(), at_default(), handling(tally, TERM), dumps];
        let [killed, asked, handles, dumps] = all;
        for pid in all {
            group.add(pid);
        }
        group.freeze();
        assert_eq!(all.map(state), ['S'; 4]);
        kill(handles, TERM).expect("TERM");
        kill(dumps, QUIT).expect("QUIT");
        kill(killed, KILL).expect("KILL");
        kill(asked, TERM).expect("TERM");
        assert_eq!((reap(killed), reap(asked)), (KILL, TERM));
        others_die();
        assert_eq!((pending(handles), tally.of(TERM)), (vec![TERM], 0));
        assert_eq!((pending(dumps), try_wait(dumps, 0)), (vec![QUIT], None));
        until("who is left is frozen", || group.is_frozen());
        group.thaw();
        until("the handler runs", || tally.of(TERM) == 1);
        assert_eq!(reap(dumps) & 0x7f, QUIT);
    });
}

fn cont_while_frozen(freezer: Freezer) {
    ground(|| {
        let group = Cgroup::frozen_by(freezer);
        let tally = Tally::new();
        let pid = handling(tally, CONT);
        group.add(pid);
        kill(pid, STOP).expect("STOP");
        until("it is stopped", || state(pid) == 'T');
        group.freeze();
        kill(pid, CONT).expect("CONT");
        until("it is not stopped any more", || state(pid) != 'T');
        others_die();
        assert_eq!(tally.of(CONT), 0);
        group.thaw();
        until("it has gone on", || tally.of(CONT) == 1);
    });
}

#[test]
fn k096_cont_makes_who_is_stopped_and_frozen_by_version_1_runnable_and_it_runs_after_the_thaw() {
    cont_while_frozen(Freezer::Version1);
}

#[test]
fn k096_cont_makes_who_is_stopped_and_frozen_by_version_2_runnable_and_it_runs_after_the_thaw() {
    cont_while_frozen(Freezer::Version2);
}

/// How processes are kept from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Stop,
    Freeze(Freezer),
}

/// Processes that wait, each in a system call, and are held meanwhile. Times are in milliseconds.
struct Waiters {
    start: Instant,
    hold: Hold,
    group: Option<Cgroup>,
    all: Vec<Waiter>,
}

struct Waiter {
    pid: i32,
    call: c_long,
    started: Shared,
    ended: Shared,
    result: Shared,
}

/// A wait: the system call that it sleeps in, and what does it. It returns a negative errno or not.
type Wait = (c_long, fn() -> i32);

impl Waiters {
    /// Starts them all, and waits until they sleep.
    #[track_caller]
    fn new(hold: Hold, waits: &[Wait]) -> Self {
        let group = match hold {
            Hold::Stop => None,
            Hold::Freeze(freezer) => Some(Cgroup::frozen_by(freezer)),
        };
        let mut new = Self { start: Instant::now(), hold, group, all: Vec::new() };
        for &(call, wait) in waits {
            let (started, ended, result) = (Shared::new(), Shared::new(), Shared::new());
            let pid = fork(|| {
                set_mask(&[USR1]);
                started.set(new.now());
                result.set(wait());
                ended.set(new.now());
                stay()
            });
            if let Some(group) = &new.group {
                group.add(pid);
            }
            new.all.push(Waiter { pid, call, started, ended, result });
        }
        for one in &new.all {
            until("it sleeps in its call", || sleeps_in(one.pid, one.call));
        }
        new
    }

    fn now(&self) -> i32 {
        i32::try_from(self.start.elapsed().as_millis()).expect("not so long")
    }

    /// Holds them until all have waited so long; when they were held at the latest, and when they
    /// could go on at the earliest.
    fn hold_for(&self, time: i32) -> (i32, i32) {
        match &self.group {
            None => {
                for one in &self.all {
                    kill(one.pid, STOP).expect("STOP");
                    until("it is stopped", || state(one.pid) == 'T');
                }
            }
            Some(group) => group.freeze(),
        }
        let held = self.now();
        let last = self.all.iter().map(|one| one.started.get()).max().expect("some");
        until("the time is over", || self.now() > last + time);
        for one in &self.all {
            assert_eq!(one.ended.get(), 0, "it is held by {:?}", self.hold);
        }
        let released = self.now();
        match &self.group {
            None => self.all.iter().for_each(|one| kill(one.pid, CONT).expect("CONT")),
            Some(group) => group.thaw(),
        }
        (held, released)
    }

    #[track_caller]
    fn each(self, check: impl Fn(&Waiter, i32)) {
        for one in &self.all {
            check(one, one.ended.wait());
        }
    }
}

/// In milliseconds, and as a duration.
const TIME: i32 = 2000;
const WAIT: Duration = Duration::from_secs(2);

fn signal_wait() -> i32 {
    match take_within(&[USR1], WAIT) {
        Ok((signal, ..)) => signal,
        Err(error) => -(error as i32),
    }
}

const SIGNAL_WAIT: Wait = (libc::SYS_rt_sigtimedwait, signal_wait);
const TIMER: Wait =
    (libc::SYS_read, || i32::from(calls::expirations(&calls::timer(WAIT, None)) == 1));
const SLEEP: Wait = (libc::SYS_clock_nanosleep, || calls::sleep(WAIT));
const PPOLL: Wait = (libc::SYS_ppoll, || calls::ppoll(None, WAIT, None));
const PSELECT: Wait = (libc::SYS_pselect6, || calls::pselect(WAIT));
const EPOLL: Wait = (libc::SYS_epoll_pwait, || calls::epoll(None, WAIT, None));
/// Other architectures have no poll(2), only ppoll.
#[cfg(target_arch = "x86_64")]
const POLL: Wait = (libc::SYS_poll, || calls::poll(WAIT));
#[cfg(not(target_arch = "x86_64"))]
const POLL: Wait = SLEEP;

fn clock_runs(hold: Hold) {
    ground(|| {
        let waiters = Waiters::new(hold, &[TIMER, SIGNAL_WAIT, SLEEP, POLL]);
        let (_, released) = waiters.hold_for(TIME);
        waiters.each(|one, ended| {
            // If the clock had stood still, almost all of the time would have been to come.
            assert!(ended - released < TIME / 2, "{}: {ended} after {released}", one.call);
            let result = one.result.get();
            let expected = match one.call {
                libc::SYS_read => result == 1,
                // K98: some are interrupted instead; a second look at the clock finds it over.
                libc::SYS_rt_sigtimedwait => [-(EAGAIN as i32), -(EINTR as i32)].contains(&result),
                _ => result == 0,
            };
            assert!(expected, "{}: {result}", one.call);
        });
    });
}

#[test]
fn k097_the_clock_runs_on_while_a_process_is_stopped() {
    clock_runs(Hold::Stop);
}

#[test]
fn k097_the_clock_runs_on_in_a_version_1_freezer() {
    clock_runs(Hold::Freeze(Freezer::Version1));
}

#[test]
fn k097_the_clock_runs_on_in_a_version_2_freezer() {
    clock_runs(Hold::Freeze(Freezer::Version2));
}

#[test]
fn k097_ppoll_and_pselect_wait_on_for_what_was_left_when_they_were_stopped() {
    ground(|| {
        let waiters = Waiters::new(Hold::Stop, &[PPOLL, PSELECT]);
        let (held, released) = waiters.hold_for(TIME);
        waiters.each(|one, ended| {
            // To the millisecond each of three times is cut off.
            let left = TIME - (held - one.started.get()) - 3;
            assert!(ended - released >= left, "{}: {ended}, {released} {held}", one.call);
            assert_eq!(one.result.get(), 0);
        });
    });
}

#[test]
fn k097_a_periodic_timer_counts_what_expired_while_its_process_was_stopped() {
    const PERIOD: Duration = Duration::from_millis(50);
    ground(|| {
        let most = Shared::new();
        let reader = fork(|| {
            let timer = calls::timer(PERIOD, Some(PERIOD));
            loop {
                let count = i32::try_from(calls::expirations(&timer)).expect("few");
                most.set(most.get().max(count));
            }
        });
        most.wait();
        kill(reader, STOP).expect("STOP");
        until("it is stopped", || state(reader) == 'T');
        let start = Instant::now();
        until("twenty periods are over", || start.elapsed() > 20 * PERIOD);
        assert!(most.get() < 20, "it was not held before");
        kill(reader, CONT).expect("CONT");
        until("they are all counted at once", || most.get() >= 20);
    });
}

fn interrupts(hold: Hold) {
    ground(|| {
        let waiters = Waiters::new(hold, &[EPOLL, SIGNAL_WAIT]);
        waiters.hold_for(0);
        waiters.each(|one, _| assert_eq!(one.result.get(), -(EINTR as i32), "{}", one.call));
    });
}

#[test]
fn k098_a_stop_and_a_continuation_interrupt_epoll_and_sigtimedwait_without_a_handler() {
    interrupts(Hold::Stop);
}

#[test]
fn k098_a_version_2_freezer_interrupts_epoll_and_sigtimedwait_without_a_handler() {
    interrupts(Hold::Freeze(Freezer::Version2));
}

fn goes_on(hold: Hold) {
    ground(|| {
        let waiters = Waiters::new(hold, &[POLL, SLEEP]);
        waiters.hold_for(TIME / 2);
        waiters.each(|one, ended| {
            let time = ended - one.started.get();
            // Begun anew it would take at least half as much again.
            assert!((TIME - 1..TIME * 3 / 2).contains(&time), "{}: {time}", one.call);
            assert_eq!(one.result.get(), 0);
        });
    });
}

#[test]
fn k098_poll_and_nanosleep_go_on_to_their_time_after_a_stop_and_a_continuation() {
    goes_on(Hold::Stop);
}

#[test]
fn k098_poll_and_nanosleep_go_on_to_their_time_after_a_version_2_freezer() {
    goes_on(Hold::Freeze(Freezer::Version2));
}

/// A call that opens the mask for its time, with a descriptor to read from or without.
type OpenWait = fn(Option<&OwnedFd>) -> i32;

#[test]
fn k099_a_call_that_opens_the_mask_runs_the_handler_unless_a_descriptor_is_ready() {
    ground(|| {
        let (reader, writer) = pipe();
        nix::unistd::write(&writer, b"x").expect("a byte");
        let open: [OpenWait; 2] = [
            |ready| calls::ppoll(ready, LIMIT, Some(&[])),
            |ready| calls::epoll(ready, LIMIT, Some(&[])),
        ];
        for wait in open {
            let tally = Tally::new();
            tally.handle(USR1);
            set_mask(&[USR1]);
            kill(1, USR1).expect("a signal");
            assert_eq!(wait(Some(&reader)), 1);
            assert_eq!((tally.of(USR1), pending(1)), (0, vec![USR1]));
            assert_eq!(Errno::from_raw(-wait(None)), EINTR);
            assert_eq!((tally.of(USR1), pending(1)), (1, vec![]));
        }
    });
}

#[test]
fn k099_a_timer_in_the_past_expires_at_once_and_one_of_zero_never() {
    const SHORT: Duration = Duration::from_millis(50);
    ground(|| {
        let past = calls::absolute_timer(Duration::from_nanos(1));
        assert_eq!(calls::ppoll(Some(&past), LIMIT, None), 1);
        let zero = calls::timer(SHORT, None);
        calls::set_timer(&zero, Duration::ZERO, None);
        // One that is set later and is longer has expired: so would the other have.
        let later = calls::timer(2 * SHORT, None);
        assert_eq!(calls::expirations(&later), 1);
        assert_eq!(calls::ppoll(Some(&zero), Duration::ZERO, None), 0);
        let never = calls::timer(Duration::ZERO, None);
        assert_eq!(calls::ppoll(Some(&never), 2 * SHORT, None), 0);
    });
}
