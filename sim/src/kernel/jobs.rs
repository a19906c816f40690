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

    /// The groups that the parent of `process` keeps, or that `process` keeps as the parent of its
    /// children. A dead child keeps none, and its group is one of them all the same (K55).
    pub(super) fn kept_groups(&self, process: &Process) -> Vec<u32> {
        let mut groups: Vec<u32> = self
            .processes
            .iter()
            .filter(|p| p.pid == process.pid || p.parent == Some(process.pid))
            .filter(|p| self.has_keeper(p))
            .map(|p| p.group)
            .collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// `kill_orphaned_pgrp`: of those groups, an orphaned one with a stopped member is sent HUP and
    /// CONT (K71).
    pub(super) fn wake_orphaned(&mut self, groups: &[u32]) {
        for &group in groups {
            let stopped =
                self.processes.iter().any(|p| p.group == group && p.state == State::Stopped);
            if stopped && self.is_orphaned(group) {
                for pid in self.members(group) {
                    self.generate(pid, Signal::HUP, Sender::Kernel, None);
                    self.generate(pid, Signal::CONT, Sender::Kernel, None);
                }
            }
        }
    }
}
