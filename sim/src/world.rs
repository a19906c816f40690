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

mod choice;
mod driver;
mod moves;
mod next;
mod way_out;

use std::hash::{Hash, Hasher};

use lastout_core::{Millis, Pid, Request, Signal, Status};

pub use choice::Choice;
pub use driver::Driver;

use crate::engine::Progress;
use crate::execute::Limits;
use crate::kernel::{Kernel, Process, State, Unhashed};
use crate::laws::{Rules, Verdict, Watch};
use crate::note::{Note, Notes};
use crate::program::{Code, IDLE};
use crate::setting::{Setting, Who};
use crate::witness::Seen;

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
        let mut world = Self::empty(setting, Pid::new(2).expect("2 is a pid"));
        if !setting.is_pid1() {
            // A bystander, whom an init that is not PID 1 has no business with (S9).
            let pid = world.kernel.free_pid();
            world.kernel.create(pid, Pid::new(1), Code::start(IDLE));
        }
        world
    }

    /// The beginning, with nobody there but who must be. If init is not PID 1 it is that pid.
    pub(crate) fn empty(setting: &Setting, pid: Pid) -> Self {
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
            kernel.create(pid, Some(one), Code::start(program));
            pid
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
        kernel.storms = driver.is_some() && setting.policy.reaping.storm.is_some();
        kernel.forgetful = faults.forgetful;
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

    /// The numbers that somebody remembers, whoever has them.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = u32> {
        let driver = self.driver.as_ref();
        let main = driver.and_then(|driver| driver.machine.init.main_child());
        let memo = driver.and_then(|driver| driver.machine.memo.main);
        let asked = driver.and_then(|driver| match driver.request() {
            Request::ReapOne(pid) => Some(pid),
            _ => None,
        });
        let kernel = &self.kernel;
        let pids = main.into_iter().chain(memo).chain(self.watch.main());
        let pids = pids.chain(asked).chain(kernel.chld_from);
        pids.map(Pid::number).chain(driver.and_then(Driver::started).map(Pid::number)).chain([
            kernel.foreground,
            kernel.terminal_session,
            kernel.reserved,
        ])
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
}
