//! Birth, death, adoption and wait.

use lastout_core::{Pid, Signal, SignalSet, Status};

use super::jobs::Place;
use super::process::{Disposition, Handlers, Report, State};
use super::signals::Sender;
use super::{Errno, Ghost, Kernel, Process};
use crate::note::Note;
use crate::program::Code;

/// What wait(2) tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Waited {
    /// A child died, and is reaped now.
    Dead(Pid, Status),
    /// A child was stopped.
    Stopped(Pid, Signal),
    /// A child stands before a signal, and we trace it.
    Trapped(Pid, Signal),
    /// A child was continued.
    Continued(Pid),
    /// There are children, but none has anything to report.
    Nothing,
}

impl Kernel {
    /// fork(2). What the child has of its parent: all but what is pending (K19).
    ///
    /// # Errors
    /// `ENOMEM` when the namespace's init has ended (K58).
    pub fn fork(&mut self, parent: Pid, code: Code) -> Result<Pid, Errno> {
        self.fork_as(self.free_pid(), parent, code)
    }

    /// fork(2), by which the child gets that free number.
    ///
    /// # Errors
    /// `ENOMEM` when the namespace's init has ended (K58).
    pub fn fork_as(&mut self, pid: Pid, parent: Pid, code: Code) -> Result<Pid, Errno> {
        debug_assert!(self.is_free(pid.number()), "{pid} is in use");
        if self.torn_down {
            return Err(Errno::NoMemory);
        }
        let at = self.find(parent).ok_or(Errno::NoSuchProcess)?;
        self.create(pid, Some(parent), code);
        let from = self.processes[at].clone();
        let child = self.processes.last_mut().expect("it was just made");
        child.group = from.group;
        child.session = from.session;
        child.uid = from.uid;
        child.blocked = from.blocked;
        child.ignored = from.ignored;
        child.ignored_at_start = from.ignored_at_start;
        child.handlers = from.handlers;
        child.no_child_wait = from.no_child_wait;
        Ok(pid)
    }

    /// setns(2) and fork(2) by somebody outside, as `docker exec` does: a process here, whose
    /// parent is not (K48).
    ///
    /// # Errors
    /// `ENOMEM` when the namespace's init has ended (K58).
    pub fn enter(&mut self, code: Code) -> Result<Pid, Errno> {
        self.enter_as(self.free_pid(), code)
    }

    /// The same, by which the process gets that free number.
    ///
    /// # Errors
    /// `ENOMEM` when the namespace's init has ended (K58).
    pub fn enter_as(&mut self, pid: Pid, code: Code) -> Result<Pid, Errno> {
        debug_assert!(self.is_free(pid.number()), "{pid} is in use");
        if self.torn_down {
            return Err(Errno::NoMemory);
        }
        self.create(pid, None, code);
        let child = self.processes.last_mut().expect("it was just made");
        // Engines give it a session of its own.
        child.group = pid.number();
        child.session = pid.number();
        Ok(pid)
    }

    /// execve(2): handlers become defaults, what is ignored, blocked and pending stays (K19).
    pub fn exec(&mut self, pid: Pid, code: Code) {
        if let Some(process) = self.process_mut(pid) {
            process.handlers = Handlers::default();
            process.no_child_wait = false;
            process.ignored_at_start = process.ignored;
            process.code = code;
        }
    }

    /// `exit_group(2)`.
    pub fn exit(&mut self, pid: Pid, code: u8) {
        if let Some(at) = self.find(pid) {
            self.die(at, Status::Exited(code));
        }
    }

    pub(super) fn die_of(&mut self, at: usize, signal: Signal) {
        self.die(at, Status::Killed { signal, core: false });
    }

    /// `do_exit`: the process is dead, its children are somebody else's, its parent is told.
    pub fn die(&mut self, at: usize, status: Status) {
        let process = &mut self.processes[at];
        process.state = State::Zombie(status);
        process.report = None;
        process.trap = None;
        process.owes_chld = false;
        process.pending = SignalSet::EMPTY;
        process.queue.clear();
        process.blocked = SignalSet::EMPTY;
        process.ignored = SignalSet::EMPTY;
        process.ignored_at_start = SignalSet::EMPTY;
        process.handlers = Handlers::default();
        process.uninterruptible = false;
        process.code = Code::start(process.code.program);
        let (pid, leader, held) =
            (process.pid, process.session == process.pid.number(), process.traced);
        self.note_death(at, status);
        // Nothing is asked of the dead any more.
        let process = &mut self.processes[at];
        process.ghost = Ghost { main: process.ghost.main, ..Ghost::default() };
        if leader && self.terminal_session == pid.number() {
            // K75: the foreground group is told that the terminal is gone.
            let group = std::mem::take(&mut self.foreground);
            self.terminal_session = 0;
            for member in self.members(group) {
                self.generate(member, Signal::HUP, Sender::Kernel, None);
            }
        }
        if pid.number() == 1 {
            self.zap_pid_ns_processes();
            return;
        }
        self.reparent_children(pid);
        if let Some(process) = self.process(pid)
            && let Some(parent) = process.parent.and_then(|parent| self.process(parent))
        {
            let (place, parent) = (Place::of(process), Place::of(parent));
            self.kill_orphaned_pgrp(&place, &parent);
        }
        if !held {
            self.notify_parent(pid);
        }
    }

    /// The namespace's init has ended: nobody is born any more, and everybody is killed (K58).
    fn zap_pid_ns_processes(&mut self) {
        self.torn_down = true;
        self.frozen = false;
        let others: Vec<Pid> =
            self.processes.iter().map(|p| p.pid).filter(|pid| pid.number() != 1).collect();
        for pid in others {
            self.generate(pid, Signal::KILL, Sender::Kernel, None);
        }
        // It reaps its children and those that become its children (K58, step 4), but for
        // those whose end somebody outside holds up (K59).
        let one = Pid::new(1).expect("1 is a pid");
        if let Some(init) = self.process_mut(one) {
            init.ignored = init.ignored.with(Signal::CHLD);
        }
        let dead = |p: &Process| !p.is_alive() && p.parent == Some(one) && !p.traced;
        for process in self.processes.iter().filter(|p| dead(p)) {
            let (id, pid) = (process.id.0, process.pid);
            self.notes.add(|| Note::Reaped { id, pid });
        }
        self.processes.retain(|p| !dead(p));
    }

    /// `forget_original_parent`: the children of the dead process get the nearest living
    /// subreaper above, or the namespace's init (K52).
    fn reparent_children(&mut self, father: Pid) {
        if !self.processes.iter().any(|p| p.parent == Some(father)) {
            return;
        }
        let new = self.new_parent(father);
        let father = self.process(father).map(|father| (father.pid, Place::of(father)));
        let Some((father, place)) = father else {
            return;
        };
        let children: Vec<Pid> =
            self.processes.iter().filter(|p| p.parent == Some(father)).map(|p| p.pid).collect();
        for child in children {
            self.reparent(child, new);
            let Some(process) = self.process(child) else {
                continue;
            };
            let (of_child, dead) = (Place::of(process), !process.is_alive() && !process.traced);
            if dead {
                self.notify_parent(child); // K54
            }
            self.kill_orphaned_pgrp(&of_child, &place);
        }
    }

    /// `reparent_leader`: the child has another parent, and is the last of its children (K34).
    fn reparent(&mut self, child: Pid, parent: Option<Pid>) {
        let Some(at) = self.find(child) else {
            return;
        };
        let mut process = self.processes.remove(at);
        process.parent = parent;
        let (id, pid) = (process.id.0, process.pid);
        if let Some(parent) = parent {
            self.notes.add(|| Note::Adopted { id, pid, parent });
        }
        // A tracer that is the parent is gone with it, and what stood before a signal has it.
        if process.traced_by_parent {
            process.traced_by_parent = false;
            if let State::Trapped(signal) = process.state {
                process.state = State::Running;
                process.trap = None;
                process.pending = process.pending.with(signal);
                self.notes.add(|| Note::Goes { id, pid });
            }
        }
        self.processes.push(process);
    }

    /// The parent of a process that daemonised is gone at once: it is adopted.
    pub fn orphan(&mut self, pid: Pid) {
        let Some(at) = self.find(pid) else {
            return;
        };
        let mut process = self.processes.remove(at);
        if let Some(parent) = process.parent {
            let reaper = self.process(parent).is_some_and(|p| p.subreaper && p.is_alive());
            process.parent = if reaper { Some(parent) } else { self.new_parent(parent) };
            let (id, adopted) = (process.id.0, process.parent);
            if let Some(parent) = adopted {
                self.notes.add(|| Note::Adopted { id, pid, parent });
            }
        }
        self.processes.push(process);
    }

    fn new_parent(&self, father: Pid) -> Option<Pid> {
        let one = Pid::new(1)
            .filter(|&one| self.process(one).is_some_and(|p| p.is_alive() || self.torn_down));
        let mut above = self.process(father).and_then(|p| p.parent);
        while let Some(pid) = above {
            let process = self.process(pid)?;
            if process.subreaper && process.is_alive() && !process.exiting {
                return Some(pid);
            }
            above = process.parent;
        }
        one
    }

    /// `do_notify_parent`: CHLD to the parent, and no zombie if it wants none (K31).
    fn notify_parent(&mut self, pid: Pid) {
        let Some(at) = self.find(pid) else {
            return;
        };
        let Some(parent) = self.processes[at].parent else {
            return; // Outside: it reaps when it does (K48).
        };
        let Some(over) = self.process(parent) else {
            return;
        };
        let ignores = over.disposition(Signal::CHLD) == Disposition::Ignore;
        let autoreap = ignores || over.no_child_wait;
        if autoreap {
            self.keep_end(at, parent);
            self.release(at);
        }
        if !ignores {
            self.send_chld(parent, pid);
        }
    }

    /// Tells its parent that it was continued, if it has not yet. True: it had not.
    pub fn pay_chld(&mut self, at: usize) -> bool {
        let owed = std::mem::take(&mut self.processes[at].owes_chld);
        if owed {
            self.tell_parent(at);
        }
        owed
    }

    /// CHLD for a stop or a continuation (K29), but not for who ignores it, blocked or not (K31).
    pub(super) fn tell_parent(&mut self, at: usize) {
        let parent = self.processes[at].parent.and_then(|parent| self.process(parent));
        if let Some(parent) = parent
            && parent.disposition(Signal::CHLD) != Disposition::Ignore
        {
            let (pid, child) = (parent.pid, self.processes[at].pid);
            self.send_chld(pid, child);
        }
    }

    /// What init's pidfd of the main child tells when that is reaped (K109).
    fn keep_end(&mut self, at: usize, parent: Pid) {
        let process = &self.processes[at];
        if let State::Zombie(status) = process.state
            && process.ghost.main
            && self.storms
            && !self.forgetful
            && self.watched_pid() == Some(parent)
        {
            self.kept = Some(status);
        }
    }

    /// CHLD, which names the child if none was pending (K30).
    fn send_chld(&mut self, parent: Pid, child: Pid) {
        let pending = |kernel: &Self| {
            kernel.process(parent).is_some_and(|p| p.pending.contains(Signal::CHLD))
        };
        let before = pending(self);
        self.generate(parent, Signal::CHLD, Sender::Kernel, None);
        if self.storms && !before && pending(self) && self.watched_pid() == Some(parent) {
            self.chld_from = Some(child);
        }
    }

    /// `release_task`: the zombie is gone, and its pid is free.
    pub fn release(&mut self, at: usize) {
        let process = self.processes.remove(at);
        let (id, pid) = (process.id.0, process.pid);
        self.notes.add(|| Note::Reaped { id, pid });
    }

    /// waitid(2) for any child, without waiting: the first in the list that has something to
    /// report (K34). `stops`: also stops and continuations, each told once.
    ///
    /// # Errors
    /// `ECHILD` if there is no child.
    pub fn wait(&mut self, parent: Pid, which: Option<Pid>, stops: bool) -> Result<Waited, Errno> {
        let mut outcome = Err(Errno::NoChild);
        for at in 0..self.processes.len() {
            let process = &self.processes[at];
            let pid = process.pid;
            if process.parent != Some(parent) || which.is_some_and(|which| which != pid) {
                continue;
            }
            outcome = Ok(Waited::Nothing);
            if let State::Zombie(status) = process.state {
                if process.traced {
                    continue; // Its tracer comes first (K39).
                }
                self.release(at);
                return Ok(Waited::Dead(pid, status));
            }
            let process = &mut self.processes[at];
            if let Some(signal) = process.trap.take() {
                return Ok(Waited::Trapped(pid, signal));
            }
            if stops && let Some(report) = process.report.take() {
                return Ok(match report {
                    Report::Stopped(signal) => Waited::Stopped(pid, signal),
                    Report::Continued => Waited::Continued(pid),
                });
            }
        }
        outcome
    }

    /// Does it ignore CHLD, so that its children vanish as they end (K31)?
    pub fn ignores_chld(&self, pid: Pid) -> bool {
        self.process(pid).is_some_and(|p| p.ignored.contains(Signal::CHLD))
    }

    /// waitid(2): the first dead child, if that is not the one child.
    pub fn reap_but(&mut self, parent: Pid, but: Pid) -> Option<(Pid, Status)> {
        let first = self.processes.iter().position(|p| {
            p.parent == Some(parent) && matches!(p.state, State::Zombie(_)) && !p.traced
        })?;
        let process = &self.processes[first];
        let State::Zombie(status) = process.state else {
            return None;
        };
        let pid = process.pid;
        (pid != but).then(|| {
            self.release(first);
            (pid, status)
        })
    }

    /// Is a child of `parent` dead, or does it stand before a signal for its tracer, and no CHLD,
    /// pending or owed, announces it (S3)? The same for stops and continuations, but only of
    /// the main child: one that was stopped before it was adopted can be waited for though
    /// nothing ever announced it (seen on Linux 6.18), and nobody needs to know. Whoever ignores
    /// CHLD is told of no stops (K31), and knows that.
    pub fn has_unannounced_report(&self, parent: Pid) -> bool {
        let Some(over) = self.process(parent) else {
            return false;
        };
        let announced = over.pending.contains(Signal::CHLD) || over.is_doomed();
        let ignores = over.ignored.contains(Signal::CHLD);
        let untaken = |p: &Process| match p.report {
            _ if !p.is_alive() => !p.traced,
            _ if ignores => false,
            _ if p.trap.is_some() => true,
            Some(_) => p.ghost.main && !p.owes_chld,
            None => false,
        };
        !announced && self.processes.iter().any(|p| p.parent == Some(parent) && untaken(p))
    }

    /// The outside parent of an entered process reaps it, or the tracer lets go of a zombie
    /// (K39, K48, K59).
    pub fn let_go(&mut self, pid: Pid) {
        let Some(at) = self.find(pid) else {
            return;
        };
        let process = &mut self.processes[at];
        process.uninterruptible = false;
        let held = std::mem::take(&mut process.traced);
        if process.is_alive() {
            return;
        }
        if process.parent.is_none() || self.torn_down && process.parent.map(Pid::number) == Some(1)
        {
            self.release(at);
        } else if held {
            self.notify_parent(pid);
        }
    }

    /// A process as the laws see it is forgotten with it; here only for a new main child.
    pub fn mark_main(&mut self, pid: Pid) {
        if let Some(process) = self.process_mut(pid) {
            process.ghost = Ghost { main: true, ..Ghost::default() };
        }
    }
}
