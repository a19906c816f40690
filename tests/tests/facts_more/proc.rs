//! What /proc tells of processes. The pids are those of the ground's PID 1, whose /proc it is, also
//! in namespaces below.

use std::fs;

use libc::c_long;

fn proc_file(pid: i32, file: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).ok()
}

/// A field of /proc/PID/stat, numbered as in proc(5), from the third on.
pub(crate) fn stat(pid: i32, field: usize) -> Option<String> {
    let text = proc_file(pid, "stat")?;
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_whitespace().nth(field - 3).map(str::to_owned)
}

/// The state letter of a process; `-` if there is none of that pid.
pub(crate) fn state(pid: i32) -> char {
    stat(pid, 3).and_then(|s| s.chars().next()).unwrap_or('-')
}

/// The parent of a process.
pub(crate) fn parent(pid: i32) -> i32 {
    stat(pid, 4).and_then(|s| s.parse().ok()).expect("a process")
}

/// The pid of this process as the experiment's PID 1 numbers it.
pub(crate) fn number() -> i32 {
    let own = fs::read_link("/proc/self").expect("/proc");
    own.to_str().and_then(|n| n.parse().ok()).expect("a number")
}

/// The signals that are pending for a process, in order of their numbers.
#[track_caller]
pub(crate) fn pending(pid: i32) -> Vec<i32> {
    let of_thread = signals_of(pid, "SigPnd:");
    let of_process = signals_of(pid, "ShdPnd:");
    (1..=64).filter(|s| of_thread.contains(s) || of_process.contains(s)).collect()
}

/// The name of the program that a process runs.
pub(crate) fn program(pid: i32) -> String {
    proc_file(pid, "comm").unwrap_or_default().trim_end().to_owned()
}

/// The signals in one of the sets of /proc/PID/status.
#[track_caller]
pub(crate) fn signals_of(pid: i32, set: &str) -> Vec<i32> {
    let text = proc_file(pid, "status").unwrap_or_else(|| panic!("no process {pid}"));
    let bits = text.lines().find_map(|line| line.strip_prefix(set)).expect("a set of signals");
    let bits = u64::from_str_radix(bits.trim(), 16).expect("a number");
    (1..=64).filter(|signal| bits >> (signal - 1) & 1 == 1).collect()
}

/// Does that process sleep in that system call, and is not held otherwise?
pub(crate) fn sleeps_in(pid: i32, call: c_long) -> bool {
    let text = proc_file(pid, "syscall").unwrap_or_default();
    // Idle is how a PID 1 waits at its end on Linux 6.1.
    text.starts_with(&format!("{call} ")) && ['S', 'I'].contains(&state(pid))
}
