//! The simulated kernel: what Linux keeps of the processes of one PID namespace, and the system
//! calls that change it.
//!
//! Plain data: no clock, no thread, no address, no order that depends on a hash. A state is
//! equal to another one exactly if nothing that could ever happen tells the two apart (but for
//! names that are only for the reader). Methods are named as the system call or kernel function
//! that they stand for; each rule cites its K number of `docs/kernel.md`, which also lists what
//! is left out and why.
//!
//! The list of processes is in the order in which the kernel keeps children: as they were born,
//! the adopted at the end (K34). A freed pid is given again at once, to the next one born: the
//! nastiest that Linux could do, and the reason why pids can be part of a state.

mod jobs;
mod process;
mod signals;
#[cfg(test)]
mod tests;
mod tree;

use std::hash::{Hash, Hasher};

use lastout_core::{Pid, Signal, SignalSet, Status};

pub use process::{
    Disposition, Ghost, Handler, Handlers, Killer, MAX_HANDLERS, Process, Report, State, Unhashed,
    lowest, minus, next_signal, without,
};
pub use signals::{Delivery, STOPS, Sender, UNSTOPPABLE, dumps_by_default, kills_by_default};
pub use tree::Waited;

use crate::note::{Note, Notes};
use crate::program::{Code, IDLE};

/// Why a system call failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Errno {
    /// `EPERM`.
    NotPermitted,
    /// `ESRCH`.
    NoSuchProcess,
    /// `ECHILD`.
    NoChild,
    /// `EAGAIN`: a limit on processes.
    TryAgain,
    /// `ENOMEM`: the namespace's init is gone (K58).
    NoMemory,
    /// `EINVAL`.
    Invalid,
}

/// How the cgroup of the container is frozen (K96).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Freezer {
    /// Version 1: nothing is delivered, not even KILL.
    V1,
    /// Version 2: what kills, kills.
    #[default]
    V2,
}

/// Which of the free numbers a new process gets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Numbers {
    /// The lowest: a number comes back at once, the nastiest that Linux could do.
    #[default]
    Lowest,
    /// The next that nobody has had, as Linux does until it has given all away.
    Next,
}

/// What became of a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// It exited with this code.
    Exited(u8),
    /// This signal killed it.
    Killed(Signal),
    /// It is still there.
    Alive,
}

impl From<Status> for Fate {
    fn from(status: Status) -> Self {
        match status {
            Status::Exited(code) => Self::Exited(code),
            Status::Killed { signal, .. } => Self::Killed(signal),
        }
    }
}

/// A process at its end, or at that of the world.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Ending {
    /// What it executed.
    pub program: u8,
    /// What became of it.
    pub fate: Fate,
    /// TERM had reached it: it was neither dropped nor ignored.
    pub got_term: bool,
    /// What it said, in order.
    pub said: Vec<String>,
}

/// One PID namespace and what is below it. As it is for a subreaper, it is the machine's own:
/// then pid 1 is a process like any other init's.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a circumstance of its own")]
pub struct Kernel {
    /// The processes, in the order of the children lists.
    pub processes: Vec<Process>,
    /// The group that the terminal's keys go to; 0: there is no terminal.
    pub foreground: u32,
    /// The session that has the terminal.
    pub terminal_session: u32,
    /// PID 1 has ended: no process is made any more (K58).
    pub torn_down: bool,
    /// The container is frozen.
    pub frozen: bool,
    /// As which kind.
    pub freezer: Freezer,
    /// The init under test, and what it asks others to end with: the laws' eyes are on whom it
    /// signals.
    pub watched: Option<(Pid, Signal)>,
    /// Whose end is the world's: the init under test, or the program in its place.
    pub init: Option<Pid>,
    /// How that ended. Its zombie may be gone at once, so that this is kept here.
    pub left: Option<Status>,
    /// May the watched one signal processes of other users (`CAP_KILL`)? Root without it may not
    /// (K66).
    pub cap_kill: bool,
    /// A number that is not given away though nobody has it; 0: none.
    pub reserved: u32,
    /// How processes ended, in order of the programs; kept only if a scenario asks.
    pub endings: Option<Vec<Ending>>,
    /// Which number a new process gets.
    pub numbers: Numbers,
    /// Is kept what only an init asks for in a storm: the two below?
    pub storms: bool,
    /// It does not tell how a process ended that nobody can wait for any more (K109).
    pub forgetful: bool,
    /// The child that the watched one's pending CHLD is from: the first since the last was taken
    /// (K30).
    pub chld_from: Option<Pid>,
    /// How the main child ended, if the kernel has reaped it and init holds a pidfd of it (K109).
    pub kept: Option<Status>,
    /// What happened, for the reader.
    pub notes: Notes,
    born: Unhashed<u32>,
}

impl Kernel {
    /// A kernel without processes.
    pub const fn new(freezer: Freezer, cap_kill: bool) -> Self {
        Self {
            processes: Vec::new(),
            foreground: 0,
            terminal_session: 0,
            torn_down: false,
            frozen: false,
            freezer,
            watched: None,
            init: None,
            left: None,
            cap_kill,
            reserved: 0,
            endings: None,
            numbers: Numbers::Lowest,
            storms: false,
            forgetful: false,
            chld_from: None,
            kept: None,
            notes: Notes::off(),
            born: Unhashed(0),
        }
    }

    /// Everything but the processes, for a fingerprint that takes those in another order.
    pub(crate) fn hash_but_processes(&self, state: &mut impl Hasher) {
        let Self {
            processes: _,
            foreground,
            terminal_session,
            torn_down,
            frozen,
            freezer,
            watched,
            cap_kill,
            reserved,
            endings,
            init,
            left,
            numbers,
            storms,
            forgetful,
            chld_from,
            kept,
            notes: _,
            born: _,
        } = self;
        (foreground, terminal_session, torn_down, frozen, freezer).hash(state);
        (watched, cap_kill, reserved, endings, init, left, numbers).hash(state);
        (storms, forgetful, chld_from, kept).hash(state);
    }

    /// Where in the list the process with that pid is.
    pub fn find(&self, pid: Pid) -> Option<usize> {
        self.processes.iter().position(|process| process.pid == pid)
    }

    /// The process with that pid, if there is one.
    pub fn process(&self, pid: Pid) -> Option<&Process> {
        self.processes.iter().find(|process| process.pid == pid)
    }

    /// The process with that pid, if there is one.
    pub fn process_mut(&mut self, pid: Pid) -> Option<&mut Process> {
        self.processes.iter_mut().find(|process| process.pid == pid)
    }

    /// A new process, as clone(2) would leave one without a parent to copy from.
    pub fn create(&mut self, pid: Pid, parent: Option<Pid>, code: Code) -> Pid {
        let id = Unhashed(self.born.0);
        self.born.0 += 1;
        self.processes.push(Process {
            pid,
            parent,
            group: 0,
            session: 0,
            uid: 0,
            state: State::Running,
            report: None,
            trap: None,
            owes_chld: false,
            pending: SignalSet::EMPTY,
            queue: Vec::new(),
            blocked: SignalSet::EMPTY,
            ignored: SignalSet::EMPTY,
            ignored_at_start: SignalSet::EMPTY,
            handlers: Handlers::default(),
            no_child_wait: false,
            unkillable: false,
            subreaper: false,
            exiting: false,
            uninterruptible: false,
            traced: false,
            traced_by_parent: false,
            code,
            said: Vec::new(),
            ghost: Ghost::default(),
            id,
        });
        self.notes.add(|| Note::Born { id: id.0, pid, parent });
        pid
    }

    /// The number that the next process gets: one that is no pid, group or session (K37).
    pub fn free_pid(&self) -> Pid {
        let number = match self.numbers {
            Numbers::Lowest => self.lowest_free(),
            Numbers::Next => (self.born.0 + 1..=Pid::MAX).find(|&number| self.is_free(number)),
        };
        number.and_then(Pid::new).expect("more processes than a machine can have")
    }

    /// The lowest number from 2 on that nobody has: in one look at everybody, if it is a small one.
    fn lowest_free(&self) -> Option<u32> {
        const SMALL: u32 = 1024;
        let mut used = [0_u64; SMALL as usize / 64];
        let mut mark = |number: u32| {
            if number < SMALL {
                used[number as usize / 64] |= 1 << (number % 64);
            }
        };
        [0, 1, self.reserved].into_iter().for_each(&mut mark);
        for process in &self.processes {
            [process.pid.number(), process.group, process.session].into_iter().for_each(&mut mark);
        }
        let small = used.iter().zip(0..).find(|(word, _)| **word != u64::MAX);
        let small = small.map(|(word, at)| 64 * at + word.trailing_ones());
        small.or_else(|| (SMALL..=Pid::MAX).find(|&number| self.is_free(number)))
    }

    /// Can a process get that number: is it no pid, group or session (K37)?
    pub fn is_free(&self, number: u32) -> bool {
        let has = |p: &Process| [p.pid.number(), p.group, p.session].contains(&number);
        number != self.reserved && !self.processes.iter().any(has)
    }

    /// The init under test.
    pub fn watched_pid(&self) -> Option<Pid> {
        self.watched.map(|(pid, _)| pid)
    }

    /// How many were ever born.
    pub fn born(&self) -> u32 {
        self.born.0
    }

    /// How many are alive, but for the init under test.
    pub fn others_alive(&self) -> usize {
        self.processes.iter().filter(|p| p.is_alive() && Some(p.pid) != self.watched_pid()).count()
    }

    /// Is `pid` a descendant of `ancestor`, through processes that are there?
    pub fn descends(&self, pid: Pid, ancestor: Pid) -> bool {
        let mut at = self.process(pid).and_then(|process| process.parent);
        while let Some(parent) = at {
            if parent == ancestor {
                return true;
            }
            at = self.process(parent).and_then(|process| process.parent);
        }
        false
    }

    /// Ends a system call's life for the reader: how `pid` ended.
    fn note_death(&mut self, at: usize, status: Status) {
        let (id, pid, by) = {
            let process = &self.processes[at];
            (process.id.0, process.pid, process.ghost.killed_by.0)
        };
        self.notes.add(|| Note::Died { id, pid, status, by });
        if self.init == Some(pid) {
            self.left.get_or_insert(status);
        }
        if let Some(endings) = &mut self.endings
            && Some(pid) != self.watched.map(|(pid, _)| pid)
        {
            let process = &mut self.processes[at];
            let ending = Ending {
                program: process.code.program,
                fate: status.into(),
                got_term: process.ghost.got_term,
                said: std::mem::take(&mut process.said),
            };
            let place = endings.partition_point(|other| *other <= ending);
            endings.insert(place, ending);
        }
    }

    /// The endings so far, and that of everybody who is still there.
    pub fn all_endings(&self) -> Vec<Ending> {
        let mut all = self.endings.clone().unwrap_or_default();
        let watched = self.watched_pid();
        let there = self.processes.iter().filter(|p| p.is_alive() && Some(p.pid) != watched);
        all.extend(there.filter(|p| p.code.program != IDLE).map(|process| Ending {
            program: process.code.program,
            // Who only hangs in the kernel while PID 1 waits for its end (K59) is as good as dead.
            fate: match lowest(process.pending) {
                Some(signal) if self.torn_down && process.is_doomed() => Fate::Killed(signal),
                _ => Fate::Alive,
            },
            got_term: process.ghost.got_term,
            said: process.said.clone(),
        }));
        all.sort_unstable();
        all
    }

    /// setsid(2): a new session, and a group in it. Not for the leader of a group (K69).
    ///
    /// # Errors
    /// `EPERM` for a group leader.
    pub fn setsid(&mut self, pid: Pid) -> Result<(), Errno> {
        let leads = self.processes.iter().any(|p| p.group == pid.number());
        let Some(process) = self.process_mut(pid) else {
            return Err(Errno::NoSuchProcess);
        };
        if leads {
            return Err(Errno::NotPermitted);
        }
        process.group = pid.number();
        process.session = pid.number();
        Ok(())
    }

    /// setresuid(2), all three: root may become anybody, and others only who they are.
    ///
    /// # Errors
    /// `EPERM` for who is not root.
    pub fn setuid(&mut self, pid: Pid, uid: u8) -> Result<(), Errno> {
        let process = self.process_mut(pid).ok_or(Errno::NoSuchProcess)?;
        if process.uid != 0 && process.uid != uid {
            return Err(Errno::NotPermitted);
        }
        process.uid = uid;
        Ok(())
    }

    /// setpgid(0, 0): a group of its own. Not for a session leader (K69).
    ///
    /// # Errors
    /// `EPERM` for a session leader.
    pub fn setpgid(&mut self, pid: Pid) -> Result<(), Errno> {
        let Some(process) = self.process_mut(pid) else {
            return Err(Errno::NoSuchProcess);
        };
        if process.session == pid.number() {
            return Err(Errno::NotPermitted);
        }
        process.group = pid.number();
        Ok(())
    }

    /// The terminal's key for `signal` is pressed (K73).
    pub fn press(&mut self, signal: Signal) {
        if self.foreground != 0 {
            let members = self.members(self.foreground);
            for pid in members {
                self.generate(pid, signal, Sender::Kernel, None);
            }
        }
    }
}
