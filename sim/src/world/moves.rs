//! What a choice leads to: a process, the engine or time moves.

use lastout_core::{Millis, Pid, Signal};

use super::{Choice, Driver, World};
use crate::engine::Action;
use crate::execute::{self, Limits};
use crate::kernel::{Errno, Process, Sender, State};
use crate::laws::{Span, Verdict};
use crate::note::Note;
use crate::program::Code;
use crate::setting::Setting;
use crate::witness::Witness;

impl World {
    /// Lets one of the choices happen.
    ///
    /// # Errors
    /// The law that is broken by it. The world is then as it was when it broke.
    pub fn apply(&mut self, setting: &Setting, choice: Choice) -> Verdict {
        match choice {
            Choice::Init => self.init_moves(setting)?,
            Choice::Process(pid, way) => self.process_moves(setting, pid, way),
            Choice::Engine(script) => self.engine_acts(setting, script)?,
            Choice::Pass(span) => self.pass(setting, span, false)?,
            Choice::LetGo(pid) => {
                self.note(pid, |id| Note::LetGo { id, pid });
                self.kernel.let_go(pid);
            }
            Choice::Hang(pid) => {
                self.budget.hang = self.budget.hang.saturating_sub(1);
                self.note(pid, |id| Note::Hangs { id, pid });
                if let Some(process) = self.kernel.process_mut(pid) {
                    process.uninterruptible = true;
                }
            }
            Choice::Trace(pid) => {
                self.budget.tracer = self.budget.tracer.saturating_sub(1);
                self.outside(|| format!("a debugger takes hold of {pid}"));
                if let Some(process) = self.kernel.process_mut(pid) {
                    process.traced = true;
                }
            }
            Choice::ForkFails(pid) => {
                self.budget.fork = self.budget.fork.saturating_sub(1);
                self.outside(|| format!("{pid}: no process is to be had"));
                if let Some(at) = self.kernel.find(pid) {
                    let limits = Limits { processes: 0 };
                    execute::run(&mut self.kernel, &setting.library, limits, at, 0);
                }
                self.saw(Witness::ForkFailed);
            }
            Choice::Chld => {
                self.budget.chld = self.budget.chld.saturating_sub(1);
                if let Some(init) = self.driver.as_ref().map(|driver| driver.pid) {
                    self.kernel.generate(init, Signal::CHLD, Sender::Outside, None);
                }
            }
            Choice::Eintr => {
                self.budget.eintr = self.budget.eintr.saturating_sub(1);
                self.outside(|| "init's wait is interrupted by nothing".into());
            }
            Choice::Steal => {
                self.budget.stolen = self.budget.stolen.saturating_sub(1);
                if let Some(at) = self.dead_main().and_then(|pid| self.kernel.find(pid)) {
                    self.outside(|| "somebody else takes the main child's report".into());
                    // That its number is given away as well would be a fault upon a fault.
                    self.kernel.reserved = self.kernel.processes[at].pid.number();
                    let init = self.driver.as_ref().expect("it had a main child").pid;
                    if let State::Zombie(status) = self.kernel.processes[at].state
                        && self.kernel.ignores_chld(init)
                    {
                        // Init holds a pidfd, which tells whoever reaped it (K109).
                        self.kernel.kept = Some(status);
                    }
                    self.kernel.release(at);
                    self.kernel.generate(init, Signal::CHLD, Sender::Kernel, None);
                }
            }
        }
        self.settle(setting);
        let mut watch = self.watch;
        watch.looks_around(|| self.is_alone(setting));
        self.watch = watch;
        // Whoever has been frozen may be late again; to be stopped for no time is no excuse.
        let rests = |driver: &Driver| !driver.can_move(&self.kernel, setting);
        if !self.late.is_zero() && (self.kernel.frozen || self.driver.as_ref().is_none_or(rests)) {
            self.late = Millis::ZERO;
        }
        if setting.judged
            && !self.is_over()
            && let Some(driver) = &self.driver
            && driver.is_waiting()
        {
            self.watch.waits(&self.kernel, driver.pid)?;
        }
        Ok(())
    }

    pub(super) fn process_moves(&mut self, setting: &Setting, pid: Pid, way: u8) {
        let Some(at) = self.kernel.find(pid) else {
            return;
        };
        if self.driver.as_ref().is_some_and(|driver| driver.pid == pid) {
            // Only KILL and STOP reach it, or anything before it has blocked the rest.
            self.kernel.deliver(at);
            return;
        }
        let before = self.kernel.processes.len();
        let limits = self.limits(setting);
        let way = usize::from(way);
        execute::run(&mut self.kernel, &setting.library, limits, at, way);
        if self.kernel.processes.len() > before
            && let Some(forks) = &mut self.budget.forks
        {
            *forks = forks.saturating_sub(1);
        }
        self.saw_births(before);
    }

    pub(super) fn saw_births(&mut self, before: usize) {
        if self.kernel.processes.len() > before && self.watch.askings() > 0 {
            if !self.watch.last_call() {
                self.saw(Witness::BornWhileDraining);
            }
            let reused = |p: &Process| Some(p.pid) == self.seen.0.main && !p.ghost.main;
            if self.kernel.processes.iter().any(reused) {
                self.saw(Witness::PidReused);
            }
        }
    }

    /// What follows at once from what has just happened.
    pub(super) fn settle(&mut self, setting: &Setting) {
        if !setting.faults.lazy && setting.is_pid1() {
            // Whoever entered is reaped by its parent outside without delay.
            let done = |p: &Process| {
                !p.is_alive() && p.parent.is_none() && p.pid.number() != 1 && !p.traced
            };
            while let Some(at) = self.kernel.processes.iter().position(done) {
                self.kernel.release(at);
            }
        }
        if self.exit.is_none() {
            self.exit = self.kernel.left;
            if self.exit.is_some() && setting.is_pid1() {
                // K58: whoever can die does so at once.
                while let Some(at) = (0..self.kernel.processes.len())
                    .find(|&at| self.kernel.processes[at].is_alive() && self.kernel.is_runnable(at))
                {
                    self.kernel.deliver(at);
                }
            }
        }
    }

    pub(super) fn outside(&mut self, what: impl FnOnce() -> String) {
        self.kernel.notes.add(|| Note::Outside { what: what() });
    }

    pub(super) fn note(&mut self, pid: Pid, note: impl FnOnce(u32) -> Note) {
        let id = self.kernel.process(pid).map_or(0, |process| process.id.0);
        self.kernel.notes.add(|| note(id));
    }

    pub(super) fn saw(&mut self, witness: Witness) {
        self.seen.0.set(witness);
    }

    // ------------------------------------------------------------------------- time and engine

    pub(super) fn pass(&mut self, setting: &Setting, span: Millis, frozen: bool) -> Verdict {
        self.kernel.notes.pass(span, frozen);
        self.passed.0 += u64::from(span.0);
        if let Some(driver) = &mut self.driver {
            for clock in [&mut driver.alarm, &mut driver.settle] {
                *clock = clock.map(|left| left.saturating_sub_unsigned(span.0));
            }
        }
        for progress in &mut self.engine {
            progress.timer = progress.timer.map(|left| left.minus(span));
        }
        for process in &mut self.kernel.processes {
            process.code.timer = process.code.timer.map(|left| left.minus(span));
        }
        if !frozen && self.init_can_move(setting) {
            // A clock that has just run out makes nobody late yet; what was due before does.
            self.late = self.late.plus(self.lateness(span));
        }
        self.advance_engine(setting);
        if let Some(at) = self.init_slot().filter(|_| setting.judged) {
            let span = Span {
                time: span,
                frozen,
                init_stopped: self.kernel.processes[at].state == State::Stopped,
                alone: self.is_alone(setting),
                has_left: self.is_over(),
            };
            self.watch.passes(Self::rules(setting), span)?;
        }
        Ok(())
    }

    /// Is nobody alive but init, as far as that is its business, and no zombie held back from it?
    fn is_alone(&self, setting: &Setting) -> bool {
        let init = self.kernel.init.expect("a world has one from its beginning");
        let ours = |p: &Process| setting.is_pid1() || self.kernel.descends(p.pid, init);
        let there = |p: &Process| p.is_alive() || p.traced;
        !self.kernel.processes.iter().any(|p| p.pid != init && there(p) && ours(p))
    }

    /// How much of `span`, which has just passed, init had something to do in.
    pub(super) fn lateness(&self, span: Millis) -> Millis {
        let driver = self.driver.as_ref().expect("asked only with an init");
        match driver.clock() {
            // It slept until a clock ran out.
            Some(left @ ..=0) if driver.only_clock(&self.kernel) => {
                span.min(Millis(left.unsigned_abs()))
            }
            _ => span,
        }
    }

    /// Clocks of scripts that have been reached begin to run, and those that are over are left
    /// behind.
    pub(super) fn advance_engine(&mut self, setting: &Setting) {
        for (progress, script) in self.engine.iter_mut().zip(&setting.engine) {
            let action = script.get(usize::from(progress.at));
            if let Some(Action::Wait(span) | Action::Timeout(span)) = action {
                progress.timer.get_or_insert(*span);
            }
        }
    }

    pub(super) fn engine_acts(&mut self, setting: &Setting, script: u8) -> Verdict {
        let at = usize::from(script);
        let progress = &mut self.engine[at];
        let Some(&action) = setting.engine[at].get(usize::from(progress.at)) else {
            return Ok(());
        };
        progress.at += 1;
        progress.timer = None;
        let library = &setting.library;
        if !matches!(action, Action::Wait(_) | Action::Timeout(_)) {
            let what = || crate::engine::Shown(action, library).to_string();
            self.kernel.notes.add(|| Note::Engine { what: what() });
        }
        let init = self.kernel.init.expect("a world has one from its beginning");
        match action {
            Action::Send(signal) => {
                self.kernel.generate(init, signal, Sender::Outside, None);
                self.told(setting, at, signal);
            }
            Action::Queue(signal, value) => {
                self.kernel.generate(init, signal, Sender::Outside, Some(value));
            }
            Action::Kill => self.kernel.generate(init, Signal::KILL, Sender::Outside, None),
            Action::Exec(program) => {
                let entered = if self.kernel.processes.len() < usize::from(setting.processes) {
                    self.kernel.enter(Code::start(program))
                } else {
                    Err(Errno::TryAgain)
                };
                if let Ok(pid) = entered {
                    let one = Pid::new(1).filter(|_| !setting.is_pid1());
                    if let Some(process) = self.kernel.process_mut(pid) {
                        process.parent = one;
                        let id = process.id.0;
                        let program = library.name(program).to_owned();
                        self.kernel.notes.add(|| Note::Executes { id, pid, program });
                    }
                    let before = self.kernel.processes.len() - 1;
                    self.saw_births(before);
                }
            }
            Action::Pause(span) => {
                self.kernel.frozen = true;
                self.pass(setting, span, true)?;
                if self.driver.as_ref().is_some_and(|d| d.alarm.is_some_and(|left| left < 0)) {
                    self.saw(Witness::ThawedLate);
                }
            }
            Action::Unpause => self.kernel.frozen = false,
            Action::Press(signal) => self.kernel.press(signal),
            Action::Wait(_) | Action::Timeout(_) | Action::Settle => (),
        }
        self.advance_engine(setting);
        Ok(())
    }

    /// The engine has sent a stop signal: from now on its clock runs, as init was told (L4).
    pub(super) fn told(&mut self, setting: &Setting, script: usize, signal: Signal) {
        let next = usize::from(self.engine[script].at);
        let policy = &setting.policy;
        if let Some(&Action::Timeout(timeout)) = setting.engine[script].get(next)
            && setting.stop_timeout == Some(timeout)
            && policy.stop_signals.contains(signal)
            && policy.rewrites.apply(signal).is_some()
            && self.driver.as_ref().is_some_and(|driver| driver.masked)
        {
            self.watch.engine_waits(timeout);
        }
    }
}
