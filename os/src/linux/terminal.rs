//! The controlling terminal: which of our descriptors it is, and whose the foreground is.

use core::ffi::c_int;

use lastout_core::{Pid, Signal, SignalSet};

use super::sys;

/// Our controlling terminal.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// One of 0, 1, 2.
    fd: c_int,
}

impl Terminal {
    /// Finds it among stdin, stdout and stderr.
    pub fn find() -> Option<Self> {
        (0..=2).map(|fd| Self { fd }).find(|t| sys::foreground_group(t.fd).is_ok())
    }

    /// Is our group its foreground group? If both are outside the PID namespace both are 0
    /// (`unshare --pid` from a shell): then they are taken to be the same.
    pub fn is_ours(self) -> bool {
        sys::foreground_group(self.fd) == Ok(sys::getpgrp())
    }

    /// Makes the group that has this number the foreground group.
    pub fn hand_to(self, group: usize) {
        sys::set_foreground_group(self.fd, group);
    }

    /// Makes our group the foreground group, if `main`'s, which may be dead, is it now.
    pub fn take_back_from(self, main: Pid) {
        if sys::foreground_group(self.fd) == Ok(main.number() as usize) {
            self.hand_to(sys::getpgrp());
        }
    }

    /// Gives it up, so that a new session can have it. The session's leader loses it for the
    /// whole session, and the kernel sends HUP and CONT to the foreground group (K77): ours,
    /// and not meant for anybody.
    pub fn give_up(self) {
        if sys::getsid() != sys::getpid() {
            return;
        }
        sys::give_up_terminal(self.fd);
        for signal in [Signal::HUP, Signal::CONT] {
            if let Ok((_, info)) = sys::take_signal(SignalSet::EMPTY.with(signal), Some(0))
                && usize::try_from(info.pid) != Ok(sys::getpid())
            {
                // Somebody else's came first: it stays.
                sys::kill_self(signal);
            }
        }
    }

    /// Makes it the controlling terminal of our new session, if nobody else has it.
    pub fn acquire(self) {
        sys::take_terminal(self.fd);
    }
}
