//! Real processes as `/proc` shows them, from outside of their namespace.

use std::fs;

/// What `/proc/PID/status` says of a process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Looked {
    /// The letter: R, S, D, T, Z, …
    pub(super) state: char,
    /// Its parent's pid here.
    pub(super) parent: u32,
    /// Its pid inside.
    pub(super) pid: u32,
    /// Its group's number inside; 0: outside.
    pub(super) group: u32,
    /// Its session's number inside; 0: outside.
    pub(super) session: u32,
    /// Its effective user id.
    pub(super) uid: u32,
    /// What is pending, for the thread or the process.
    pub(super) pending: u64,
    /// Its mask.
    pub(super) blocked: u64,
    /// What it ignores.
    pub(super) ignored: u64,
    /// What it handles.
    pub(super) handled: u64,
    /// How often it has left the processor.
    pub(super) switches: u64,
}

/// Looks at a process; `None`: it is gone.
pub(super) fn look(pid: u32) -> Option<Looked> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut looked = Looked::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        let last = || value.rsplit('\t').next().and_then(|number| number.parse().ok());
        let set = || u64::from_str_radix(value, 16).ok();
        match key {
            "State" => looked.state = value.chars().next()?,
            "PPid" => looked.parent = value.parse().ok()?,
            "NSpid" => looked.pid = last()?,
            "NSpgid" => looked.group = last()?,
            "NSsid" => looked.session = last()?,
            "Uid" => looked.uid = value.split('\t').nth(1)?.parse().ok()?,
            "SigPnd" | "ShdPnd" => looked.pending |= set()?,
            "SigBlk" => looked.blocked = set()?,
            "SigIgn" => looked.ignored = set()?,
            "SigCgt" => looked.handled = set()?,
            "voluntary_ctxt_switches" | "nonvoluntary_ctxt_switches" => {
                looked.switches += value.parse::<u64>().ok()?;
            }
            _ => (),
        }
    }
    // A process that is going away while we read has lost its numbers.
    (looked.pid != 0).then_some(looked)
}

/// The fields of `/proc/PID/stat` behind the name, from the third on.
fn stat(pid: u32) -> Option<Vec<i64>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind) = text.rsplit_once(')')?;
    Some(behind.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0)).collect())
}

/// How a zombie ended, as wait(2) will tell it.
pub(super) fn end(pid: u32) -> Option<i32> {
    i32::try_from(*stat(pid)?.get(49)?).ok()
}

/// Is it on its way out (`PF_EXITING`)?
pub(super) fn is_exiting(pid: u32) -> bool {
    stat(pid).and_then(|fields| fields.get(6).copied()).is_some_and(|flags| flags & 4 != 0)
}

/// Is it off the processor? Its state alone does not say so: who looks whether there is a child to
/// reap counts as asleep while it looks, and reaps; and who is a zombie already may be about to tell
/// its parent. The kernel tells the system call of none who runs.
pub(super) fn is_off_processor(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/syscall"))
        .is_ok_and(|text| !text.starts_with("running"))
}

/// The children of a process, zombies too; empty if it is gone.
pub(super) fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}
