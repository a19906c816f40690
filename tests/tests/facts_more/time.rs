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
use crate::proc::{pending, signals_of, sleeps_in, state};
use crate::signals::{Tally, kill, set_mask, signal_set, take_within, unblock_all};

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
        assert_eq!((signals_of(handles, "ShdPnd:"), tally.of(TERM)), (vec![TERM], 0));
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
        assert_eq!((signals_of(handles, "ShdPnd:"), tally.of(TERM)), (vec![TERM], 0));
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
    group: Option<Cgroup>,
    all: Vec<Waiter>,
    /// When all were held at the latest, and when they could go on at the earliest.
    held: i32,
    released: i32,
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
    /// Starts them all, waits until they sleep, and holds them before their time is over.
    #[track_caller]
    fn held(hold: Hold, waits: &[Wait]) -> Self {
        loop {
            let mut new = Self::started(hold, waits);
            new.hold();
            if new.all.iter().all(|one| one.ended.get() == 0) {
                return new;
            }
            // The machine is slow, and we came too late.
            new.release();
            new.end();
        }
    }

    #[track_caller]
    fn started(hold: Hold, waits: &[Wait]) -> Self {
        let group = match hold {
            Hold::Stop => None,
            Hold::Freeze(freezer) => Some(Cgroup::frozen_by(freezer)),
        };
        let start = Instant::now();
        let mut new = Self { start, group, all: Vec::new(), held: 0, released: 0 };
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
            let is_ready = || sleeps_in(one.pid, one.call) || one.ended.get() != 0;
            until("it sleeps in its call", is_ready);
        }
        new
    }

    fn now(&self) -> i32 {
        i32::try_from(self.start.elapsed().as_millis()).expect("not so long")
    }

    fn hold(&mut self) {
        match &self.group {
            None => {
                for one in &self.all {
                    kill(one.pid, STOP).expect("STOP");
                    until("it is stopped", || state(one.pid) == 'T');
                }
            }
            Some(group) => group.freeze(),
        }
        self.held = self.now();
    }

    fn release(&mut self) {
        self.released = self.now();
        match &self.group {
            None => self.all.iter().for_each(|one| kill(one.pid, CONT).expect("CONT")),
            Some(group) => group.thaw(),
        }
    }

    /// Releases them when all have waited so long, and waits until their calls have returned.
    #[track_caller]
    fn release_after(&mut self, time: i32) {
        let last = self.all.iter().map(|one| one.started.get()).max().expect("some");
        until("the time is over", || self.now() > last + time);
        assert!(self.all.iter().all(|one| one.ended.get() == 0), "they are held");
        self.release();
        self.all.iter().for_each(|one| _ = one.ended.wait());
    }

    fn end(self) {
        for one in self.all {
            kill(one.pid, KILL).expect("KILL");
            assert_eq!(reap(one.pid), KILL);
        }
    }
}

/// Does that until it is true once. A test that proves something by what came early enough fails
/// only if it never does, and not because the machine was busy once.
#[track_caller]
fn once_in_ten(mut is_proven: impl FnMut() -> bool) {
    assert!((0..10).any(|_| is_proven()), "never in ten times");
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
        once_in_ten(|| {
            let mut waiters = Waiters::held(hold, &[TIMER, SIGNAL_WAIT, SLEEP, POLL]);
            waiters.release_after(TIME);
            for one in &waiters.all {
                let result = one.result.get();
                let expected: &[i32] = match one.call {
                    libc::SYS_read => &[1],
                    // K98: it is interrupted instead; a look at the clock finds the time over.
                    libc::SYS_rt_sigtimedwait => &[-(EAGAIN as i32), -(EINTR as i32)],
                    _ => &[0],
                };
                assert!(expected.contains(&result), "{}: {result}", one.call);
            }
            // If the clock had stood still, this much at least would have been to come.
            let is_early = |one: &Waiter| {
                one.ended.get() - waiters.released < TIME - (waiters.held - one.started.get()) - 3
            };
            let all_are = waiters.all.iter().all(is_early);
            waiters.end();
            all_are
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
        let mut waiters = Waiters::held(Hold::Stop, &[PPOLL, PSELECT]);
        waiters.release_after(TIME);
        for one in &waiters.all {
            // Three times are cut off to milliseconds.
            let left = TIME - (waiters.held - one.started.get()) - 3;
            assert!(one.ended.get() - waiters.released >= left, "{}", one.call);
            assert_eq!(one.result.get(), 0);
        }
    });
}

#[test]
fn k097_a_periodic_timer_counts_what_expired_while_its_process_was_stopped() {
    const PERIOD: Duration = Duration::from_millis(50);
    ground(|| {
        let (reads, missing) = (Shared::new(), Shared::new());
        let reader = fork(|| {
            let start = Instant::now();
            let timer = calls::timer(PERIOD, Some(PERIOD));
            let mut count = 0;
            loop {
                count += u128::from(calls::expirations(&timer));
                let periods = start.elapsed().as_millis() / PERIOD.as_millis();
                missing.set(i32::try_from(periods.saturating_sub(count)).expect("few"));
                reads.add(1);
            }
        });
        reads.wait();
        kill(reader, STOP).expect("STOP");
        until("it is stopped", || state(reader) == 'T');
        let (start, before) = (Instant::now(), reads.get());
        until("twenty periods are over", || start.elapsed() > 20 * PERIOD);
        assert_eq!(reads.get(), before);
        kill(reader, CONT).expect("CONT");
        until("none is missing", || reads.get() > before && missing.get() <= 1);
    });
}

fn interrupts(hold: Hold) {
    ground(|| {
        let mut waiters = Waiters::held(hold, &[EPOLL, SIGNAL_WAIT]);
        waiters.release_after(0);
        for one in &waiters.all {
            assert_eq!(one.result.get(), -(EINTR as i32), "{}", one.call);
        }
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
        once_in_ten(|| {
            let mut waiters = Waiters::held(hold, &[POLL, SLEEP]);
            waiters.release_after(TIME / 2);
            let took = |one: &Waiter| one.ended.get() - one.started.get();
            for one in &waiters.all {
                assert_eq!(one.result.get(), 0);
                assert!(took(one) >= TIME - 1, "{} ended early", one.call);
            }
            // Begun anew it would have taken half as much again at least.
            let in_time = waiters.all.iter().all(|one| took(one) < TIME * 3 / 2);
            waiters.end();
            in_time
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

#[test]
fn k098_a_read_a_pause_and_a_wait_for_a_child_go_on_after_a_stop_and_a_continuation() {
    ground(|| {
        let (reader, writer) = pipe();
        let end = Shared::new();
        let reads = fork(|| assert_eq!(nix::unistd::read(&reader, &mut [0]), Ok(1)));
        let waits = fork(|| {
            let child = fork(|| {
                end.wait();
            });
            let mut status = 0;
            // SAFETY: the status is ours.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        });
        let tally = Tally::new();
        let pauses = fork(|| {
            tally.handle(USR1);
            let none = signal_set(&[]);
            // SAFETY: the set is ours.
            unsafe { libc::sigsuspend(&raw const none) };
            assert_eq!(tally.of(USR1), 1);
        });
        let calls =
            [(reads, libc::SYS_read), (waits, libc::SYS_wait4), (pauses, libc::SYS_rt_sigsuspend)];
        for (pid, call) in calls {
            until("it sleeps in its call", || sleeps_in(pid, call));
            kill(pid, STOP).expect("STOP");
            until("it is stopped", || state(pid) == 'T');
            kill(pid, CONT).expect("CONT");
            until("it has fallen asleep again", || sleeps_in(pid, call));
        }
        nix::unistd::write(&writer, b"x").expect("a byte");
        end.set(1);
        kill(pauses, USR1).expect("a signal");
        assert_eq!([reads, waits, pauses].map(reap), [0; 3]);
    });
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
