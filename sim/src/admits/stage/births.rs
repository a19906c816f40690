//! Who comes from where, and who has to be there.

use std::collections::HashSet;

use lastout_core::{Event, Pid, Role, Signal, SignalSet};

use super::super::plan::{Child, CouldLive, is_nothing};
use super::{Part, Stage};
use crate::kernel::Sender;
use crate::program::Code;

/// What everybody executes: nothing that anybody looks at.
const ANYTHING: u8 = 0;

impl Stage<'_> {
    // ----------------------------------------------------------------------- who comes from where

    /// The child is there, and whoever was before it. `adopted_with`: it had something to tell
    /// before it was init's, and no CHLD announced it.
    pub(super) fn comes(&mut self, child: usize, adopted_with: Option<usize>) {
        if self.parts[child] != Part::ToCome {
            return;
        }
        if self.plan.children[child].elders.is_empty() {
            self.is_adopted(child, adopted_with);
            return;
        }
        // Whoever is there, or has been, has its place.
        let (mut order, mut placed) = (Vec::new(), HashSet::new());
        let have = |other: usize| self.parts[other] != Part::ToCome;
        self.plan.elders_first(child, have, &mut placed, &mut order);
        for other in order {
            self.is_adopted(other, adopted_with.filter(|_| other == child));
        }
    }

    /// It is not there, and its number is nobody's any more.
    pub(super) fn could_come(&self, child: usize) -> bool {
        let Child { pid, before, .. } = &self.plan.children[child];
        self.parts[child] == Part::ToCome
            && before.is_none_or(|before| self.parts[before] == Part::Gone)
            && self.world.kernel.is_free(pid.number())
    }

    pub(super) fn is_there(&mut self, child: usize) {
        self.parts[child] = Part::There;
        self.cast.insert(self.plan.children[child].pid, child);
    }

    /// The child is born to somebody who dies, and becomes init's. What that step tells of it, it
    /// did before.
    fn is_adopted(&mut self, child: usize, mut with: Option<usize>) {
        if !self.could_come(child) {
            return;
        }
        let (pid, host) = (self.plan.children[child].pid, self.nobody());
        let mut killed = false;
        match self.setting.policy.role {
            Role::Pid1 => {
                let _ = self.kernel().enter_as(host, Code::start(ANYTHING));
            }
            Role::Subreaper => {
                let Some(above) = self.living().next() else {
                    return;
                };
                killed = self.is_dying(above);
                let _ = self.kernel().fork_as(host, above, Code::start(ANYTHING));
            }
            // Its orphans are somebody else's.
            Role::Plain => return,
        }
        let _ = self.kernel().fork_as(pid, host, Code::start(ANYTHING));
        self.is_anybodys(pid);
        self.is_there(child);
        if killed {
            // KILL has reached everybody. It was there before that, and nobody had seen it.
            let first = self.plan.children[child].reports.first().copied();
            match first.map(|first| self.told[first].entry.event) {
                Some(Event::Reaped(..)) => killed = false,
                Some(Event::Stopped(..) | Event::Continued(_)) => with = first,
                _ => (),
            }
        }
        if let Some(report) = with {
            self.is_ready(report);
        }
        if killed {
            self.kernel().generate(pid, Signal::KILL, Sender::Outside, None);
        }
        self.leaves(host);
    }

    /// It dies, and whoever it is a child of, inside or outside, reaps it.
    fn leaves(&mut self, pid: Pid) {
        self.kernel().exit(pid, 0);
        if let Some(at) = self.kernel().find(pid) {
            self.kernel().release(at);
        }
    }

    /// A group of its own in init's session, so that it can be stopped by the terminal (K72); or
    /// another user in another session, if init is to be denied (K51, K66).
    pub(super) fn is_anybodys(&mut self, pid: Pid) {
        let session = self.world.kernel.process(self.init).map_or(0, |init| init.session);
        let denied = self.premises.denied;
        let is_main = self.plan.main.is_some_and(|main| self.plan.children[main].pid == pid);
        self.kernel().set_blocked(pid, SignalSet::EMPTY);
        if let Some(process) = self.kernel().process_mut(pid) {
            process.uid = u8::from(denied);
            process.session = session;
        }
        let _ = self.kernel().setpgid(pid);
        if denied
            && !is_main
            && let Some(process) = self.kernel().process_mut(pid)
        {
            process.session = pid.number();
        }
    }

    /// A number that the record does not know and that is free.
    pub(super) fn nobody(&self) -> Pid {
        nobodys(&self.known, |number| self.world.kernel.is_free(number)).expect("a number")
    }

    /// Init's living children.
    pub(super) fn living(&self) -> impl Iterator<Item = Pid> {
        let init = Some(self.init);
        self.world
            .kernel
            .processes
            .iter()
            .filter(move |p| p.parent == init && p.is_alive())
            .map(|p| p.pid)
    }

    pub(super) fn has_living(&self, but: Option<Pid>) -> bool {
        self.living().any(|pid| Some(pid) != but)
    }

    pub(super) fn inherits(&mut self, child: usize) {
        let pid = self.plan.children[child].pid;
        if self.could_come(child) {
            self.is_inherited(pid);
            self.is_there(child);
        }
    }

    pub(super) fn is_inherited(&mut self, pid: Pid) {
        let init = self.init;
        let _ = self.kernel().fork_as(pid, init, Code::start(ANYTHING));
        self.is_anybodys(pid);
    }

    // ---------------------------------------------------------------------- who has to be there

    /// Init is told that it has children: one of those that are told of later, or one that never
    /// is.
    pub(super) fn keeps_a_child(&mut self, at: usize) {
        let init = Some(self.init);
        if self.world.kernel.processes.iter().any(|p| p.parent == init) {
            return;
        }
        if let Some(child) = self.candidate(at) {
            self.comes(child, None);
        } else if self.plan.next_no_children(at).is_none() && self.setting.is_pid1() {
            let (pid, host) = (self.nobody(), Code::start(ANYTHING));
            let _ = self.kernel().enter_as(pid, host);
            let child = self.nobody();
            let _ = self.kernel().fork_as(child, pid, Code::start(ANYTHING));
            self.is_anybodys(child);
            self.leaves(pid);
        }
    }

    /// Who is told of later can only be born to somebody who lives: before the last one dies
    /// below a subreaper the next one is there, or all that are told of next are, and dead.
    pub(super) fn keeps_descendants(&mut self, dying: usize, at: usize) {
        let pid = self.plan.children[dying].pid;
        if self.setting.policy.role != Role::Subreaper || self.has_living(Some(pid)) {
            return;
        }
        if let Some(child) = self.candidate(at) {
            self.comes(child, None);
            return;
        }
        for (child, report) in self.rest_of_batch(at) {
            let zombie = self.plan.children[child].pid;
            if self.could_come(child) {
                let _ = self.kernel().fork_as(zombie, pid, Code::start(ANYTHING));
                self.is_anybodys(zombie);
                self.is_there(child);
                self.is_ready(report);
            }
        }
    }

    /// A child that is told of later and could be there from now on.
    pub(super) fn candidate(&self, at: usize) -> Option<usize> {
        let until = self.plan.next_no_children(at).unwrap_or(self.told.len());
        let mut second = None;
        for report in at..until {
            let Some(child) = self.plan.whom[report] else {
                continue;
            };
            let is_first = self.plan.children[child].reports.first() == Some(&report);
            if !is_first || Some(child) == self.plan.main || !self.could_come(child) {
                continue;
            }
            match self.plan.could_live(child, at) {
                CouldLive::Well => return Some(child),
                CouldLive::Hardly => second = second.or(Some(child)),
                CouldLive::OnlyHeld if self.premises.held => second = second.or(Some(child)),
                CouldLive::OnlyHeld => (),
            }
        }
        second
    }

    /// Whoever else is told to be dead before somebody says that nothing is ready.
    pub(super) fn rest_of_batch(&self, at: usize) -> Vec<(usize, usize)> {
        let mut rest = Vec::new();
        for report in at..self.told.len() {
            match self.told[report].entry.event {
                _ if is_nothing(self.told, report) => break,
                Event::Reaped(..) | Event::Proven(..) => {
                    let child = self.plan.whom[report].expect("it is told of");
                    let first = self.plan.children[child].reports.first();
                    if self.parts[child] == Part::ToCome && first == Some(&report) {
                        rest.push((child, report));
                    }
                }
                _ => (),
            }
        }
        rest
    }

    pub(super) fn has_company(&mut self) {
        if self.world.kernel.others_alive() == 0 && self.setting.is_pid1() {
            let pid = self.nobody();
            let _ = self.kernel().enter_as(pid, Code::start(ANYTHING));
            self.visitor = Some(pid);
        }
    }

    pub(super) fn visitor_leaves(&mut self) {
        if let Some(pid) = self.visitor.take() {
            self.leaves(pid);
        }
    }
}

/// The first number that no record knows and that is free.
pub(super) fn nobodys(known: &HashSet<u32>, free: impl Fn(u32) -> bool) -> Option<Pid> {
    (2..=Pid::MAX).find(|number| !known.contains(number) && free(*number)).and_then(Pid::new)
}
