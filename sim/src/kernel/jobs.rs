//! Process groups that nobody above looks after (K70 to K72).

use lastout_core::Signal;

use super::process::State;
use super::signals::Sender;
use super::{Kernel, Process};

impl Kernel {
    /// Is a group orphaned: no member of it has a parent in the same session but another group
    /// (K70)? Then nobody could continue a stopped member.
    pub fn is_orphaned(&self, group: u32) -> bool {
        !self.processes.iter().any(|p| p.group == group && p.is_alive() && self.has_keeper(p))
    }

    /// Is the parent of `process` one who could continue its group?
    fn has_keeper(&self, process: &Process) -> bool {
        let parent = process.parent.and_then(|parent| self.process(parent));
        parent.is_some_and(|p| p.session == process.session && p.group != process.group)
    }

    /// `kill_orphaned_pgrp`: `child` lost its parent, which is dying, or dies itself. If that parent
    /// could have continued its group, and nobody can now, and a member is stopped, the group is
    /// sent HUP and CONT (K71). Nobody asks whether the child was alive, or whether the group was
    /// orphaned before.
    pub(super) fn kill_orphaned_pgrp(&mut self, child: &Place, parent: &Place) {
        let was_kept = parent.group != child.group && parent.session == child.session;
        let stopped =
            || self.processes.iter().any(|p| p.group == child.group && p.state == State::Stopped);
        if was_kept && stopped() && self.is_orphaned(child.group) {
            for pid in self.members(child.group) {
                self.generate(pid, Signal::HUP, Sender::Kernel, None);
                self.generate(pid, Signal::CONT, Sender::Kernel, None);
            }
        }
    }
}

/// A process's group and session.
pub(super) struct Place {
    group: u32,
    session: u32,
}

impl Place {
    pub(super) const fn of(process: &Process) -> Self {
        Self { group: process.group, session: process.session }
    }
}
