//! What /proc tells of a process, and waiting until it tells something.

use std::fs;
use std::time::{Duration, Instant};

use super::signal::Set;

/// A field of /proc/PID/status.
pub(crate) fn field(pid: i32, key: &str) -> String {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let line = status.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} in {path}")).trim().to_owned()
}

/// A set of signals in /proc/PID/status.
pub(crate) fn signals(pid: i32, key: &str) -> Set {
    Set::from_str_radix(&field(pid, key), 16).expect("a mask")
}

/// What is pending for a process.
pub(crate) fn pending_of(pid: i32) -> Set {
    signals(pid, "SigPnd") | signals(pid, "ShdPnd")
}

/// The letter of its state.
pub(crate) fn state(pid: i32) -> char {
    field(pid, "State").chars().next().expect("a letter")
}

/// Waits until that is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited in vain: {what}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Waits until a process is in that state.
#[track_caller]
pub(crate) fn until_state(pid: i32, letter: char) {
    until(&format!("{pid} in state {letter}"), || state(pid) == letter);
}

/// Waits until a process sleeps in that system call.
#[track_caller]
pub(crate) fn until_asleep_in(pid: i32, call: libc::c_long) {
    let number = call.to_string();
    until(&format!("{pid} asleep in system call {number}"), || {
        // "running" where it does not sleep.
        let line = fs::read_to_string(format!("/proc/{pid}/syscall")).expect("/proc/PID/syscall");
        line.split(' ').next() == Some(&number)
    });
}
