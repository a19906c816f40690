//! System calls that wait, as they are: a negative errno for a failure.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};
use std::time::Duration;

use nix::errno::Errno;

use crate::signals::{signal_set, timespec};

fn outcome(result: i32) -> i32 {
    if result == -1 { -Errno::last_raw() } else { result }
}

fn millis(time: Duration) -> i32 {
    time.as_millis().try_into().expect("not so long")
}

/// ppoll(2) for reading from that, if from anything, with that mask, if with another one.
pub(crate) fn ppoll(reader: Option<&OwnedFd>, time: Duration, mask: Option<&[i32]>) -> i32 {
    let set = mask.map(signal_set);
    let set = set.as_ref().map_or(null(), std::ptr::from_ref);
    let fd = reader.map_or(-1, AsRawFd::as_raw_fd);
    let mut fds = [libc::pollfd { fd, events: libc::POLLIN, revents: 0 }];
    let time = timespec(time);
    // SAFETY: all of it is ours.
    outcome(unsafe { libc::ppoll(fds.as_mut_ptr(), 1, &raw const time, set) })
}

/// `epoll_pwait`(2) likewise.
pub(crate) fn epoll(reader: Option<&OwnedFd>, time: Duration, mask: Option<&[i32]>) -> i32 {
    let set = mask.map(signal_set);
    let set = set.as_ref().map_or(null(), std::ptr::from_ref);
    let mut event = libc::epoll_event { events: libc::EPOLLIN.cast_unsigned(), u64: 0 };
    // SAFETY: a new descriptor.
    let epoll = unsafe { OwnedFd::from_raw_fd(libc::epoll_create1(0)) };
    let epoll = epoll.as_raw_fd();
    if let Some(reader) = reader {
        let (add, fd) = (libc::EPOLL_CTL_ADD, reader.as_raw_fd());
        // SAFETY: the event is ours.
        assert_eq!(unsafe { libc::epoll_ctl(epoll, add, fd, &raw mut event) }, 0);
    }
    // SAFETY: all of it is ours.
    outcome(unsafe { libc::epoll_pwait(epoll, &raw mut event, 1, millis(time), set) })
}

/// poll(2) for nothing.
#[cfg(target_arch = "x86_64")]
pub(crate) fn poll(time: Duration) -> i32 {
    // SAFETY: no memory is involved.
    outcome(unsafe { libc::poll(null_mut(), 0, millis(time)) })
}

/// pselect(2) for nothing.
pub(crate) fn pselect(time: Duration) -> i32 {
    let time = timespec(time);
    let none = null_mut();
    // SAFETY: the time is ours.
    outcome(unsafe { libc::pselect(0, none, none, none, &raw const time, null()) })
}

/// nanosleep(2).
pub(crate) fn sleep(time: Duration) -> i32 {
    let time = timespec(time);
    // SAFETY: the time is ours.
    outcome(unsafe { libc::nanosleep(&raw const time, null_mut()) })
}

fn new_timer() -> OwnedFd {
    // SAFETY: a new descriptor.
    unsafe { OwnedFd::from_raw_fd(libc::timerfd_create(libc::CLOCK_MONOTONIC, 0)) }
}

fn set(timer: &OwnedFd, flags: i32, time: Duration, period: Duration) {
    let value = libc::itimerspec { it_interval: timespec(period), it_value: timespec(time) };
    // SAFETY: the value is ours.
    let result =
        unsafe { libc::timerfd_settime(timer.as_raw_fd(), flags, &raw const value, null_mut()) };
    assert_eq!(result, 0);
}

/// Sets a timer anew.
pub(crate) fn set_timer(timer: &OwnedFd, time: Duration, period: Option<Duration>) {
    set(timer, 0, time, period.unwrap_or_default());
}

/// A timer that expires in that time, and then with that period, if with any.
pub(crate) fn timer(time: Duration, period: Option<Duration>) -> OwnedFd {
    let timer = new_timer();
    set_timer(&timer, time, period);
    timer
}

/// A timer that expires at that time since the machine's start.
pub(crate) fn absolute_timer(time: Duration) -> OwnedFd {
    let timer = new_timer();
    set(&timer, libc::TFD_TIMER_ABSTIME, time, Duration::ZERO);
    timer
}

/// Waits until a timer has expired: how often it has.
pub(crate) fn expirations(timer: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    assert_eq!(nix::unistd::read(timer, &mut count), Ok(8));
    u64::from_ne_bytes(count)
}
