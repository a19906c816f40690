//! What a process does, or is done to it, so that something is to be told of it.

use std::collections::HashSet;

use lastout_core::{Event, Pid, Request, Signal, SignalSet, Status, Target};

use super::{Part, Stage};
use crate::kernel::{Disposition, Process, Report, STOPS, Sender, State, dumps_by_default};

impl Stage<'_> {
    /// The child does what that step tells of it.
    pub(super) fn is_ready(&mut self, report: usize) {
        let event = self.told[report].entry.event;
        let child = self.plan.whom[report].expect("it is told of");
        let pid = self.plan.children[child].pid;
        self.done[report] = true;
        match event {
            Event::Reaped(_, status) | Event::Proven(_, status) => self.dies(pid, status),
            Event::Stopped(_, signal) => {
                self.is_woken(pid);
                self.gets(pid, signal);
            }
            Event::Trapped(_, signal) => {
                self.is_woken(pid);
                if let Some(process) = self.kernel().process_mut(pid) {
                    process.traced_by_parent = true; // PTRACE_TRACEME
                }
                self.gets(pid, signal);
            }
            Event::Continued(_) => {
                let told = self.world.kernel.process(pid).map(|p| (p.report, p.state));
                if let Some((report, state)) = told
                    && report != Some(Report::Continued)
                {
                    if state != State::Stopped {
                        self.gets(pid, Signal::STOP);
                    }
                    self.kernel().generate(pid, Signal::CONT, Sender::Outside, None);
                }
            }
            _ => (),
        }
    }

    /// Everybody blocks what init sends, until it is told what came of it: what nobody had seen to
    /// the contrary, they can have done before. Otherwise a death would begin at once.
    pub(super) fn block_all(&mut self) {
        let init = self.init;
        let others = self.kernel().processes.iter_mut();
        for process in others.filter(|p| p.pid != init && !p.is_doomed()) {
            process.blocked = SignalSet::FULL;
        }
    }

    pub(super) fn dies(&mut self, pid: Pid, status: Status) {
        if self.is_dying(pid) {
            let _ = self.kernel().find(pid).map(|at| self.kernel().deliver(at));
            return;
        }
        if !matches!(status, Status::Killed { signal: Signal::KILL, .. }) {
            self.is_woken(pid);
        }
        match status {
            Status::Exited(code) => {
                self.runs(pid);
                self.kernel().exit(pid, code);
            }
            Status::Killed { signal, .. } => self.gets(pid, signal),
        }
    }

    /// Whoever is stopped, or about to be, is continued from outside.
    fn is_woken(&mut self, pid: Pid) {
        let stands = |p: &Process| {
            p.state == State::Stopped || STOPS.iter().any(|stop| p.pending.contains(stop))
        };
        if self.world.kernel.process(pid).is_some_and(stands) {
            self.kernel().generate(pid, Signal::CONT, Sender::Outside, None);
        }
    }

    /// The process has dealt with all that it was sent, and is now sent `signal`.
    fn is_sent(&mut self, pid: Pid, signal: Signal) {
        self.runs(pid);
        self.kernel().set_blocked(pid, SignalSet::EMPTY);
        self.kernel().generate(pid, signal, Sender::Outside, None);
    }

    /// Its death by `signal` has begun, before it deals with anything.
    fn is_doomed_by(&mut self, pid: Pid, signal: Signal) {
        self.forgets(pid);
        self.kernel().set_blocked(pid, SignalSet::EMPTY);
        self.kernel().generate(pid, signal, Sender::Outside, None);
    }

    /// The same, and it is delivered.
    pub(super) fn gets(&mut self, pid: Pid, signal: Signal) {
        self.is_sent(pid, signal);
        if let Some(at) = self.kernel().find(pid) {
            self.kernel().deliver(at);
        }
    }

    /// The process deals with all that it was sent.
    fn runs(&mut self, pid: Pid) {
        self.forgets(pid);
        if let Some(at) = self.kernel().find(pid) {
            self.kernel().deliver(at);
        }
    }

    /// Nothing comes of what it was sent.
    fn forgets(&mut self, pid: Pid) {
        let pending = self.world.kernel.process(pid).map_or(SignalSet::EMPTY, |p| p.pending);
        for other in pending.iter() {
            let _ = self.kernel().set_disposition(pid, other, Disposition::Ignore);
            let _ = self.kernel().set_disposition(pid, other, Disposition::Default);
        }
    }

    /// Before init sends KILL: whoever is told to have ended otherwise is dead by now, and whoever
    /// is told to stand still does. And if need be somebody holds a zombie until it is told of; so
    /// too before CONT, of which a stopped child would have to tell.
    pub(super) fn dies_first(&mut self, at: usize, target: Target, signal: Signal) {
        if self.premises.denied || signal == Signal::CONT && !self.premises.held {
            return;
        }
        // Who dies may be followed by another one, who then is reached, too.
        let mut seen = HashSet::new();
        loop {
            let next = self.living().find(|pid| !seen.contains(pid));
            let Some(pid) = next else {
                break;
            };
            seen.insert(pid);
            let Some(&child) = self.cast.get(&pid) else {
                continue; // It is never told of.
            };
            let is_main = Some(child) == self.plan.main;
            let reached = is_main || matches!(target, Target::All | Target::Descendants);
            if self.parts[child] != Part::There || !reached {
                continue;
            }
            let state = self.world.kernel.process(pid).map(|process| process.state);
            let report = self.plan.next_report(child, at).filter(|&report| !self.done[report]);
            let told = report.map(|report| self.told[report].entry.event);
            let concerned = match (signal, told) {
                (Signal::CONT, None | Some(Event::Reaped(..))) => state == Some(State::Stopped),
                (Signal::KILL, Some(Event::Reaped(_, Status::Killed { signal, .. }))) => {
                    signal != Signal::KILL
                }
                (Signal::KILL, Some(Event::Reaped(..))) => true,
                (Signal::KILL, Some(_)) => report.is_some_and(|r| self.plan.is_one_batch(at, r)),
                _ => false,
            };
            if !concerned {
                continue;
            }
            // Who was continued had not run since.
            let end = match told {
                Some(Event::Continued(_) | Event::Reaped(..)) => self.plan.children[child].end,
                _ => None,
            };
            if let Some((_, Status::Killed { signal: by, .. })) = end
                && signal == Signal::KILL
                && by != Signal::KILL
                && state == Some(State::Running)
                && !dumps_by_default(by)
            {
                if let (Some(report), Some(Event::Continued(_))) = (report, told) {
                    self.is_ready(report);
                }
                self.is_doomed_by(pid, by); // KILL changes nothing any more.
                continue;
            }
            let in_turn = report.is_some_and(|report| self.is_in_turn(child, at, report));
            if signal == Signal::CONT {
                if !in_turn {
                    self.vanishing.push(child);
                }
                continue;
            }
            self.announces(at + 1);
            self.keeps_descendants(child, at);
            match (report, told) {
                (_, Some(Event::Reaped(..))) if self.premises.held && !in_turn => {
                    self.vanishes(child, at);
                }
                (Some(report), _) => self.is_ready(report),
                (None, _) => (),
            }
        }
    }

    /// If the child has something to tell from now on, will it be told by that step, and not
    /// before? Then all that are told of before it are elder.
    fn is_in_turn(&self, child: usize, now: usize, report: usize) -> bool {
        let place = |child: usize| self.world.kernel.find(self.plan.children[child].pid);
        let own = place(child);
        let is_elder =
            |other: usize| other == child || self.parts[other] == Part::There && place(other) < own;
        let looked_at = |at: usize| {
            let one = matches!(self.told[at].entry.step.next, Request::ReapOne(pid) if pid == self.plan.children[child].pid);
            one && self.told[at + 1].entry.event == Event::NoneReady
        };
        self.plan.is_one_batch(now, report)
            && !(now..report).any(looked_at)
            && self.plan.whom[now + 1..report].iter().flatten().all(|&other| is_elder(other))
    }

    /// It dies, and somebody holds its zombie until it is told of.
    pub(super) fn vanishes(&mut self, child: usize, at: usize) {
        let pid = self.plan.children[child].pid;
        if let Some(process) = self.kernel().process_mut(pid) {
            process.traced = true;
        }
        self.parts[child] = Part::Held;
        match self.plan.next_report(child, at) {
            Some(report) => self.is_ready(report),
            None => self.dies(pid, Status::Exited(0)),
        }
    }

    /// Has its death begun, by KILL or another signal?
    pub(super) fn is_dying(&self, pid: Pid) -> bool {
        self.world.kernel.process(pid).is_some_and(Process::is_doomed)
    }
}
