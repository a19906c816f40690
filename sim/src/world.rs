//! A world: a container with everything in it and around it, as one value.
//!
//! A run is a sequence of choices: [`World::choices`] tells what could happen next, and
//! [`World::apply`] lets one of it happen. Who chooses is nobody's business here: a random number
//! generator, a property test, a fuzzer, or a search that tries all. Everybody else can move
//! between any two system calls of the init.
//!
//! Time is one of the choices. It is kept as what is left, never as what has passed, so that
//! states are finitely many; and it stands still while init has something to do, but for the
//! lateness that a fault allows: others may be as slow as they like, and init is what the laws
//! speak of.

mod driver;

use std::fmt;
use std::hash::{Hash, Hasher};

use lastout_core::{Millis, Pid, Signal, Status};

pub use driver::Driver;

use crate::engine::{Action, Progress};
use crate::execute::{self, Limits};
use crate::kernel::{Errno, Kernel, Process, Sender, State, Unhashed};
use crate::laws::{self, Law, Rules, Verdict, Watch};
use crate::note::{Note, Notes};
use crate::program::{Code, IDLE};
use crate::setting::{Setting, Who};
use crate::witness::{Seen, Witness};

/// Something that can happen next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Choice {
    /// Init makes its next system call.
    Init,
    /// A process is delivered a signal or executes an instruction, in that way.
    Process(Pid, u8),
    /// The engine does the next thing of that script.
    Engine(u8),
    /// Time passes.
    Pass(Millis),
    /// What held a process or its zombie lets go of it.
    LetGo(Pid),
    /// A process begins a sleep that nothing interrupts.
    Hang(Pid),
    /// A debugger takes hold of a process.
    Trace(Pid),
    /// A process' fork(2) fails.
    ForkFails(Pid),
    /// A CHLD without a death.
    Chld,
    /// Init's wait ends without a signal.
    Eintr,
    /// The dead main child's report is taken by somebody else.
    Steal,
}

/// What is left of the faults.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Budget {
    forks: Option<u8>,
    chld: u8,
    eintr: u8,
    fork: u8,
    hang: u8,
    tracer: u8,
    stolen: u8,
}

/// A container with everything in it and around it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct World {
    /// Its kernel.
    pub kernel: Kernel,
    driver: Option<Driver>,
    engine: Vec<Progress>,
    budget: Budget,
    watch: Watch,
    /// For how long init has had something to do, since it slept last.
    late: Millis,
    /// The exit code of init, once it has left.
    exit: Option<Status>,
    /// What has been seen on the way here.
    pub seen: Unhashed<Seen>,
    passed: Unhashed<u64>,
}

impl World {
    /// The beginning.
    pub fn new(setting: &Setting) -> Self {
        let faults = &setting.faults;
        let mut kernel = Kernel::new(setting.freezer, !faults.eperm);
        if setting.endings {
            kernel.endings = Some(Vec::new());
        }
        let program = if let Who::Program(program) = setting.who { program } else { IDLE };
        let one = Pid::new(1).expect("1 is a pid");
        let init = if setting.is_pid1() {
            kernel.create(one, None, Code::start(program));
            one
        } else {
            kernel.create(one, None, Code::start(IDLE));
            let machine = kernel.process_mut(one).expect("it was just made");
            machine.unkillable = true;
            machine.ignored = machine.ignored.with(Signal::CHLD);
            let init = Pid::new(2).expect("2 is a pid");
            kernel.create(init, Some(one), Code::start(program));
            init
        };
        let process = kernel.process_mut(init).expect("it was just made");
        process.unkillable = setting.is_pid1();
        process.subreaper = setting.policy.role == lastout_core::Role::Subreaper;
        process.group = init.number();
        process.session = init.number();
        if setting.policy.terminal {
            kernel.foreground = init.number();
            kernel.terminal_session = init.number();
        }
        let driver = if let Who::Init(kind) = setting.who {
            kernel.watched = Some((init, setting.policy.drain_signal));
            if faults.inherited {
                let pid = kernel.free_pid();
                kernel.create(pid, Some(init), Code::start(IDLE));
                let child = kernel.process_mut(pid).expect("it was just made");
                child.state = State::Zombie(Status::Exited(0));
            }
            Some(Driver::new(init, kind))
        } else {
            None
        };
        kernel.init = Some(init);
        if !setting.is_pid1() {
            // A bystander, whom an init that is not PID 1 has no business with (S9).
            let pid = kernel.free_pid();
            kernel.create(pid, Some(one), Code::start(IDLE));
        }
        Self {
            kernel,
            driver,
            engine: vec![Progress::default(); setting.engine.len()],
            budget: Budget {
                forks: setting.forks,
                chld: faults.chld,
                eintr: faults.eintr,
                fork: faults.fork,
                hang: faults.hang,
                tracer: faults.tracer,
                stolen: faults.stolen,
            },
            watch: Watch::default(),
            late: Millis::ZERO,
            exit: None,
            seen: Unhashed(Seen::default()),
            passed: Unhashed(0),
        }
        .begun(setting)
    }

    fn begun(mut self, setting: &Setting) -> Self {
        self.advance_engine(setting);
        self
    }

    /// The beginning, with everything that happens written down.
    pub fn noted(setting: &Setting) -> Self {
        let mut world = Self::new(setting);
        world.kernel.notes = Notes::on();
        if setting.has_phases() {
            world.kernel.notes.add(|| Note::Phase { phase: lastout_core::Phase::Starting });
        }
        for process in &world.kernel.processes {
            let program = world.program_of(setting, process).to_owned();
            let (id, pid, parent) = (process.id.0, process.pid, process.parent);
            world.kernel.notes.add(|| Note::There { id, pid, parent, program });
            if let State::Zombie(status) = process.state {
                world.kernel.notes.add(|| Note::Died { id, pid, status, by: None });
            }
        }
        world
    }

    /// The name of what a process executes, for the reader: also of those that have no program.
    pub fn program_of<'s>(&self, setting: &'s Setting, process: &Process) -> &'s str {
        let init = self.driver.as_ref().map(|driver| driver.pid);
        match (process.code.program, process.parent) {
            (IDLE, _) if Some(process.pid) == init => "init",
            (IDLE, None) => "machine",
            (IDLE, parent) if parent == init => "inherited",
            (IDLE, Some(_)) => "bystander",
            (program, _) => setting.library.name(program),
        }
    }

    /// Is it over: has init left? What a dead PID 1 leaves behind cannot do anything any more.
    pub const fn is_over(&self) -> bool {
        self.exit.is_some()
    }

    /// How init left, once it has.
    pub const fn exit(&self) -> Option<Status> {
        self.exit
    }

    /// The init under test, if there is one.
    pub const fn driver(&self) -> Option<&Driver> {
        self.driver.as_ref()
    }

    /// How much time has passed, in ms.
    pub const fn passed(&self) -> u64 {
        self.passed.0
    }

    /// Everything but the processes, for a fingerprint that takes those in another order.
    pub(crate) fn hash_but_processes(&self, state: &mut impl Hasher) {
        let Self { kernel, driver, engine, budget, watch, late, exit, seen: _, passed: _ } = self;
        kernel.hash_but_processes(state);
        (driver, engine, budget, watch, late, exit).hash(state);
    }

    /// The pids that somebody remembers by their numbers.
    pub(crate) fn remembered_pids(&self) -> impl Iterator<Item = Pid> {
        let driver = self.driver.as_ref();
        let main = driver.and_then(|driver| driver.machine.init.main_child());
        let memo = driver.and_then(|driver| driver.machine.memo.main);
        main.into_iter().chain(memo).chain(self.watch.main())
    }

    fn rules(setting: &Setting) -> Rules<'_> {
        let idle = matches!(
            setting.who,
            Who::Init(crate::machine::Kind::Lastout | crate::machine::Kind::Mutant(_))
        );
        Rules { policy: &setting.policy, busy: setting.faults.late, idle }
    }

    fn limits(&self, setting: &Setting) -> Limits {
        let none = self.budget.forks == Some(0);
        Limits { processes: if none { 0 } else { usize::from(setting.processes) } }
    }

    // ------------------------------------------------------------------ what can happen next

    /// Everything that can happen next, in an order that is always the same. Nothing, if it is
    /// over, or if nobody will ever move again.
    pub fn choices(&self, setting: &Setting, choices: &mut Vec<Choice>) {
        choices.clear();
        if self.is_over() {
            return;
        }
        let init = self.init_slot();
        let init_can_move = self.init_can_move(setting);
        if init_can_move {
            choices.push(Choice::Init);
        }
        let faults = self.budget;
        let frozen = self.kernel.frozen;
        for (at, process) in self.kernel.processes.iter().enumerate() {
            let pid = process.pid;
            if process.uninterruptible
                || !process.is_alive()
                    && (process.traced || setting.faults.lazy && process.parent.is_none())
            {
                choices.push(Choice::LetGo(pid));
                continue;
            }
            if Some(at) == init {
                if self.kernel.is_runnable(at) && self.kernel.has_deliverable(at) {
                    choices.push(Choice::Process(pid, 0));
                }
                continue;
            }
            if !process.is_alive() {
                continue;
            }
            let ways = execute::ways(&self.kernel, &setting.library, at);
            for way in 0..ways {
                #[allow(clippy::cast_possible_truncation, reason = "a program has 250 labels")]
                choices.push(Choice::Process(pid, way as u8));
            }
            if process.code.program == IDLE || frozen {
                continue;
            }
            if faults.hang > 0 && process.state == State::Running {
                choices.push(Choice::Hang(pid));
            }
            if faults.tracer > 0 && !process.traced {
                choices.push(Choice::Trace(pid));
            }
            if faults.fork > 0 && ways == 1 && self.is_forking(setting, process) {
                choices.push(Choice::ForkFails(pid));
            }
        }
        let busy = choices.iter().any(|c| matches!(c, Choice::Init | Choice::Process(..)));
        if self.may_engine_act(setting) {
            for (at, progress) in self.engine.iter().enumerate() {
                if self.engine_can_act(setting, at, *progress, busy) {
                    #[allow(clippy::cast_possible_truncation, reason = "a handful of scripts")]
                    choices.push(Choice::Engine(at as u8));
                }
            }
        }
        if frozen {
            return;
        }
        if self.driver.is_some() {
            if faults.chld > 0 {
                choices.push(Choice::Chld);
            }
            if faults.eintr > 0 && !init_can_move {
                choices.push(Choice::Eintr);
            }
            if faults.stolen > 0 && self.dead_main().is_some() {
                choices.push(Choice::Steal);
            }
        }
        let prompt = setting.prompt
            && (busy || choices.iter().any(|choice| matches!(choice, Choice::Engine(_))));
        if !prompt || init_can_move {
            self.spans(setting, init_can_move, choices);
        }
    }

    /// How much time can pass at once.
    fn spans(&self, setting: &Setting, init_can_move: bool, choices: &mut Vec<Choice>) {
        // What is due on the engine's clock happens first.
        let due = |progress: &Progress| progress.timer.is_some_and(Millis::is_zero);
        if self.engine.iter().any(due) {
            return;
        }
        let Some(next) = self.next_timer() else {
            return;
        };
        // Nor does a dying init take its time.
        let dying = self
            .init_slot()
            .is_some_and(|at| self.kernel.is_runnable(at) && self.kernel.has_deliverable(at));
        if dying {
            return;
        }
        let most = if init_can_move {
            let left = setting.faults.late.minus(self.late);
            next.unwrap_or(left).min(left)
        } else {
            match next {
                Some(next) => next,
                None => return,
            }
        };
        if most.is_zero() {
            return;
        }
        choices.push(Choice::Pass(most));
        if setting.halves && most.0 > 1 {
            choices.push(Choice::Pass(Millis(most.0 / 2)));
        }
    }

    /// What is left until the next clock runs out: `Some(None)` if all that run are over, none
    /// if none runs.
    #[allow(clippy::option_option, reason = "there are three cases, and one caller")]
    fn next_timer(&self) -> Option<Option<Millis>> {
        let mut runs = false;
        let mut least: Option<Millis> = None;
        let mut look = |left: Millis| {
            runs = true;
            if !left.is_zero() {
                least = Some(least.map_or(left, |least| least.min(left)));
            }
        };
        if let Some(alarm) = self.driver.as_ref().and_then(|driver| driver.alarm) {
            look(Millis(u32::try_from(alarm.max(0)).unwrap_or(0)));
        }
        self.engine.iter().filter_map(|progress| progress.timer).for_each(&mut look);
        self.kernel.processes.iter().filter_map(|p| p.code.timer).for_each(&mut look);
        runs.then_some(least)
    }

    fn is_forking(&self, setting: &Setting, process: &Process) -> bool {
        use crate::program::Instruction as I;
        let at = self.kernel.find(process.pid);
        let clear = at.is_some_and(|at| {
            !process.owes_chld
                && !self.kernel.has_deliverable(at)
                && process.code.trapped.is_empty()
        });
        let instruction = setting.library.at(process.code.program, process.code.at);
        clear && matches!(instruction, I::Fork(_) | I::Spawn(_) | I::Background(_) | I::Daemon(_))
    }

    fn init_slot(&self) -> Option<usize> {
        self.driver.as_ref().and_then(|driver| self.kernel.find(driver.pid))
    }

    fn init_can_move(&self, setting: &Setting) -> bool {
        let (Some(driver), Some(at)) = (&self.driver, self.init_slot()) else {
            return false;
        };
        self.kernel.is_runnable(at)
            && !self.kernel.has_deliverable(at)
            && driver.can_move(&self.kernel, setting)
    }

    fn dead_main(&self) -> Option<Pid> {
        let init = self.driver.as_ref()?.pid;
        let dead =
            |p: &&Process| p.ghost.main && !p.is_alive() && !p.traced && p.parent == Some(init);
        self.kernel.processes.iter().find(dead).map(|p| p.pid)
    }

    fn may_engine_act(&self, setting: &Setting) -> bool {
        setting.faults.early || self.driver.as_ref().is_none_or(|driver| driver.masked)
    }

    fn engine_can_act(&self, setting: &Setting, at: usize, progress: Progress, busy: bool) -> bool {
        let action = setting.engine[at].get(usize::from(progress.at));
        match action {
            None => false,
            Some(Action::Wait(_) | Action::Timeout(_)) => {
                progress.timer.is_some_and(Millis::is_zero)
            }
            Some(Action::Pause(_)) => !self.kernel.frozen,
            Some(Action::Unpause) => self.kernel.frozen,
            Some(Action::Settle) => !busy,
            Some(Action::Press(_)) => self.kernel.foreground != 0,
            Some(_) => true,
        }
    }

    // ----------------------------------------------------------------- and what it leads to

    /// Lets one of the choices happen.
    ///
    /// # Errors
    /// The law that is broken by it. The world is then as it was when it broke.
    pub fn apply(&mut self, setting: &Setting, choice: Choice) -> Verdict {
        match choice {
            Choice::Init => self.init_moves(setting)?,
            Choice::Process(pid, way) => self.process_moves(setting, pid, way),
            Choice::Engine(script) => self.engine_acts(setting, script),
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
                    self.kernel.release(at);
                    let init = self.driver.as_ref().expect("it had a main child").pid;
                    self.kernel.generate(init, Signal::CHLD, Sender::Kernel, None);
                }
            }
        }
        self.settle(setting);
        if !self.late.is_zero() && !self.init_can_move(setting) {
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

    fn process_moves(&mut self, setting: &Setting, pid: Pid, way: u8) {
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

    fn saw_births(&mut self, before: usize) {
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
    fn settle(&mut self, setting: &Setting) {
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

    fn outside(&mut self, what: impl FnOnce() -> String) {
        self.kernel.notes.add(|| Note::Outside { what: what() });
    }

    fn note(&mut self, pid: Pid, note: impl FnOnce(u32) -> Note) {
        let id = self.kernel.process(pid).map_or(0, |process| process.id.0);
        self.kernel.notes.add(|| note(id));
    }

    fn saw(&mut self, witness: Witness) {
        self.seen.0.set(witness);
    }

    // ------------------------------------------------------------------------- time and engine

    fn pass(&mut self, setting: &Setting, span: Millis, frozen: bool) -> Verdict {
        self.kernel.notes.pass(span, frozen);
        self.passed.0 += u64::from(span.0);
        if let Some(driver) = &mut self.driver {
            driver.alarm = driver.alarm.map(|left| left.saturating_sub_unsigned(span.0));
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
            if self.kernel.processes[at].state == State::Stopped {
                self.watch.excuse();
            }
            let has_left = self.is_over();
            self.watch.passes(span, frozen, has_left)?;
        }
        Ok(())
    }

    /// How much of `span`, which has just passed, init had something to do in.
    fn lateness(&self, span: Millis) -> Millis {
        let driver = self.driver.as_ref().expect("asked only with an init");
        match driver.alarm {
            // It slept until the alarm was due.
            Some(left @ ..=0) if driver.only_alarm(&self.kernel) => {
                span.min(Millis(left.unsigned_abs()))
            }
            _ => span,
        }
    }

    /// Clocks of scripts that have been reached begin to run, and those that are over are left
    /// behind.
    fn advance_engine(&mut self, setting: &Setting) {
        for (progress, script) in self.engine.iter_mut().zip(&setting.engine) {
            let action = script.get(usize::from(progress.at));
            if let Some(Action::Wait(span) | Action::Timeout(span)) = action {
                progress.timer.get_or_insert(*span);
            }
        }
    }

    fn engine_acts(&mut self, setting: &Setting, script: u8) {
        let at = usize::from(script);
        let progress = &mut self.engine[at];
        let Some(&action) = setting.engine[at].get(usize::from(progress.at)) else {
            return;
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
                // Freezes break no law by themselves, but L4, which nobody promises then.
                let _ = self.pass(setting, span, true);
                if self.driver.as_ref().is_some_and(|d| d.alarm.is_some_and(|left| left < 0)) {
                    self.saw(Witness::ThawedLate);
                }
            }
            Action::Unpause => self.kernel.frozen = false,
            Action::Press(signal) => self.kernel.press(signal),
            Action::Wait(_) | Action::Timeout(_) | Action::Settle => (),
        }
        self.advance_engine(setting);
    }

    /// The engine has sent a stop signal: from now on its clock runs, as init was told (L4).
    fn told(&mut self, setting: &Setting, script: usize, signal: Signal) {
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

    // ---------------------------------------------------------------------------- way out (L1)

    /// L1 for this state: if everybody else dies now and nothing else happens, does init leave?
    ///
    /// # Errors
    /// L1.
    pub fn has_way_out(&self, setting: &Setting) -> Verdict {
        let Some(driver) = self.driver.as_ref().filter(|_| setting.judged && !self.is_over())
        else {
            return Ok(());
        };
        let mut world = self.clone();
        world.kernel.notes = Notes::off();
        world.kernel.frozen = false;
        let others = |world: &Self| {
            world
                .kernel
                .processes
                .iter()
                .position(|p| p.is_alive() && p.pid != driver.pid && p.code.program != IDLE)
        };
        while let Some(at) = others(&world) {
            world.kernel.die(at, Status::Exited(0));
        }
        // Whoever holds a zombie lets go of it, and a stopped init is continued.
        let held: Vec<Pid> =
            world.kernel.processes.iter().filter(|p| p.traced).map(|p| p.pid).collect();
        for pid in held {
            world.kernel.let_go(pid);
        }
        let outside = |p: &Process| !p.is_alive() && p.parent.is_none() && p.pid.number() != 1;
        world.kernel.processes.retain(|p| !outside(p));
        world.kernel.generate(driver.pid, Signal::CONT, Sender::Outside, None);
        // A few requests for each process and each pending signal; then only alarms.
        let most = 8 * (world.kernel.processes.len() + 70) + 4000;
        for _ in 0..most {
            if world.is_over() {
                return Ok(());
            }
            if world.init_can_move(setting) {
                // What laws break on this way is found on the way itself.
                let _ = world.init_moves(setting);
                world.settle(setting);
            } else if let Some(at) =
                world.init_slot().filter(|&at| world.kernel.has_deliverable(at))
            {
                world.kernel.deliver(at);
                world.settle(setting);
            } else if let Some(at) = others(&world) {
                // Born since: the main child, if it was still to be started.
                world.kernel.die(at, Status::Exited(0));
            } else {
                let Some(alarm) = world.driver.as_ref().and_then(|driver| driver.alarm) else {
                    return laws::way_out(false);
                };
                let span = Millis(u32::try_from(alarm.max(1)).unwrap_or(1));
                if let Some(driver) = &mut world.driver {
                    driver.alarm = Some(alarm.saturating_sub_unsigned(span.0));
                }
            }
        }
        laws::way_out(false)
    }

    /// Did a law break that this init is expected to break? For tests.
    pub fn is_broken_by(verdict: &Verdict, law: Law) -> bool {
        verdict.as_ref().is_err_and(|broken| broken.law == law)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Init => f.write_str("init"),
            Self::Process(pid, 0) => write!(f, "process {pid}"),
            Self::Process(pid, way) => write!(f, "process {pid} way {way}"),
            Self::Engine(script) => write!(f, "engine {script}"),
            Self::Pass(span) => write!(f, "pass {span}"),
            Self::LetGo(pid) => write!(f, "let-go {pid}"),
            Self::Hang(pid) => write!(f, "hang {pid}"),
            Self::Trace(pid) => write!(f, "trace {pid}"),
            Self::ForkFails(pid) => write!(f, "fork-fails {pid}"),
            Self::Chld => f.write_str("chld"),
            Self::Eintr => f.write_str("eintr"),
            Self::Steal => f.write_str("steal"),
        }
    }
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_ascii_whitespace().collect();
        let pid = |word: &str| {
            word.parse().ok().and_then(Pid::new).ok_or_else(|| format!("{word:?} is no pid"))
        };
        let number =
            |word: &str| word.parse().map_err(|_| format!("{word:?} is no number from 0 to 255"));
        Ok(match words[..] {
            ["init"] => Self::Init,
            ["process", who] => Self::Process(pid(who)?, 0),
            ["process", who, "way", way] => Self::Process(pid(who)?, number(way)?),
            ["engine", script] => Self::Engine(number(script)?),
            ["pass", span] => {
                Self::Pass(Millis::parse(span).ok_or_else(|| format!("{span:?} is no time"))?)
            }
            ["let-go", who] => Self::LetGo(pid(who)?),
            ["hang", who] => Self::Hang(pid(who)?),
            ["trace", who] => Self::Trace(pid(who)?),
            ["fork-fails", who] => Self::ForkFails(pid(who)?),
            ["chld"] => Self::Chld,
            ["eintr"] => Self::Eintr,
            ["steal"] => Self::Steal,
            _ => return Err(format!("{text:?} is no move")),
        })
    }
}
