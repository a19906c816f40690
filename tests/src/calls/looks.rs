//! Where only the kind of call is prescribed: the words on stderr, /proc, the descendants.

use std::collections::HashSet;

use lastout_core::{Notice, Pid, Role, Signal};

use super::{BOOTTIME, Compared, Found};

const LIST: &str = "readlinkat(\"/proc/self\")";
const OPEN: &str = "openat(\"/proc\")";

impl Compared<'_> {
    /// A line on stderr, which has these words.
    pub(super) fn says(&mut self, words: &str) -> Found {
        let looks = ["faccessat(", "openat(", "read(", "close("];
        while looks.iter().any(|call| self.peek().starts_with(call)) {
            self.at += 1;
        }
        self.call("fstat(2)")?;
        // Is there room? Only a pipe is asked.
        let is_asked = self.peek().starts_with("ppoll(2) = ");
        self.at += usize::from(is_asked);
        if self.peek().starts_with("pwritev2(2, ") != is_asked {
            return self.wanted("ppoll(2), and then pwritev2(2)");
        }
        let is_line =
            self.peek().starts_with("write(2, ") || self.peek().starts_with("pwritev2(2, ");
        if !is_line || !self.peek().contains(words) {
            return self.wanted(&format!("{words:?} on stderr"));
        }
        self.at += 1;
        Ok(())
    }

    pub(super) fn tells(&mut self, notice: Notice) -> Found {
        match notice {
            Notice::StopGraceOver => self.says("did not end within the stop grace of"),
            Notice::DrainGraceOver => self.says("the drain grace of"),
            Notice::MainLost => self.says("nobody told how it ended"),
            Notice::Killing => {
                self.call(BOOTTIME)?;
                self.looks()
            }
            Notice::KillGraceOver => self.looks(),
        }
    }

    /// Goes through /proc, reading and telling, and does nothing that anybody could notice.
    pub(super) fn looks(&mut self) -> Found {
        self.trusts_proc()?;
        // Who descends from it has to be found out.
        let is_kin = self.policy.role != Role::Pid1;
        if is_kin {
            self.keeps_marks()?;
        }
        let directory = self.call(OPEN)?;
        let (end, list) = (format!("close({directory})"), format!("getdents64({directory})"));
        loop {
            let call = self.peek();
            let is_end = call.starts_with(&format!("{end} = "));
            let is_look = call.starts_with(&list)
                || is_look(call)
                || (is_kin && call.starts_with(BOOTTIME))
                || call.starts_with("fstat(2)")
                || call.starts_with("ppoll(2)")
                || call.starts_with("write(2, \"lastout: ")
                || call.starts_with("pwritev2(2, \"lastout: ");
            if !is_end && !is_look {
                return self.wanted("a look at /proc");
            }
            self.at += 1;
            if is_end {
                if is_kin {
                    self.call("munmap()")?;
                }
                // Of many, the first are told.
                let are_more = self.peek().starts_with("fstat(2)");
                return if are_more { self.says(" more") } else { Ok(()) };
            }
        }
    }

    /// Is /proc of its own PID namespace?
    fn trusts_proc(&mut self) -> Found {
        self.call(LIST)?;
        self.number::<u32>("getpid()").map(drop)
    }

    /// The beginning of a look at who descends from it.
    fn keeps_marks(&mut self) -> Found {
        self.call("mmap()")?;
        self.call(&format!("madvise({})", libc::MADV_NOHUGEPAGE))?;
        self.call(BOOTTIME).map(drop)
    }

    /// Sends every descendant the signal, each once.
    pub(super) fn walks(&mut self, signal: Signal) -> Found {
        if self.call("waitid(look)")? == "ECHILD" {
            return Ok(());
        }
        self.trusts_proc()?;
        self.keeps_marks()?;
        let mut sent = HashSet::new();
        while self.peek().starts_with(OPEN) {
            let directory = self.call(OPEN)?;
            let (end, list) = (format!("close({directory})"), format!("getdents64({directory})"));
            // Whose descriptor is open, and whether it was looked at since.
            let mut open: Option<(Pid, &str, bool)> = None;
            loop {
                let call = self.peek();
                self.at += 1;
                let (asked, answer) = call.split_once(" = ").unwrap_or((call, ""));
                if asked == end {
                    break;
                }
                if let Some(pid) = asked.strip_prefix("pidfd_open(") {
                    let pid = pid.trim_end_matches(')').parse().ok().and_then(Pid::new);
                    let pid = pid.ok_or_else(|| call.to_owned())?;
                    open = (answer != "ESRCH").then_some((pid, answer, false));
                } else if let Some((pid, fd, looked)) = open
                    && asked.starts_with("pidfd_send_signal(")
                {
                    let right = asked == format!("pidfd_send_signal({fd}, {signal}, 0, 0)");
                    if !right || !looked || !sent.insert(pid) {
                        return Err(format!("{call}, to {pid}, looked at: {looked}"));
                    }
                    self.signalled.push((pid, signal));
                    if answer == "EPERM" {
                        self.asks_about_itself()?;
                    }
                } else if open.is_some_and(|(_, fd, _)| asked == format!("close({fd})")) {
                    open = None;
                } else if let Some((pid, _, looked)) = &mut open
                    && asked == format!("openat(\"/proc/{pid}/stat\")")
                {
                    *looked = true;
                } else if !asked.starts_with(&list) && asked != BOOTTIME && !is_look(call) {
                    self.at -= 1;
                    return self.wanted("a step of the walk");
                }
            }
        }
        self.call("munmap()").map(drop)
    }

    /// Is it the call that is refused, or that process? As it may signal itself, that process:
    /// nothing more is tried.
    fn asks_about_itself(&mut self) -> Found {
        let own: u32 = self.number("getpid()")?;
        let fd = self.call(&format!("pidfd_open({own})"))?;
        let answer = self.call(&format!("pidfd_send_signal({fd}, 0, 0, 0)"))?;
        if answer != "0" {
            return Err(format!("{answer} of a signal to itself"));
        }
        self.call(&format!("close({fd})")).map(drop)
    }
}

/// Reading what /proc tells of a process.
fn is_look(call: &str) -> bool {
    let of_process = call.strip_prefix("openat(\"/proc/").is_some_and(|rest| {
        let (pid, file) = rest.split_once('/').unwrap_or(("", ""));
        let file = file.split('"').next().unwrap_or("");
        pid.parse::<u32>().is_ok() && ["stat", "status", "comm"].contains(&file)
    });
    of_process || call.starts_with("read(") || call.starts_with("close(")
}
