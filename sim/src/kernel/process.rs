//! A process: what the kernel keeps of it.

use std::fmt;
use std::hash::{Hash, Hasher};

use lastout_core::{Pid, Signal, SignalSet, Status};

use crate::program::Code;

/// Data that tells lives apart for the reader and never for the search: equal to any other, and
/// not hashed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unhashed<T>(pub T);

impl<T> PartialEq for Unhashed<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Unhashed<T> {}

impl<T> Hash for Unhashed<T> {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// What a process is doing, as far as wait(2) is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// It runs or waits for something.
    Running,
    /// It was stopped by a signal.
    Stopped,
    /// Its tracer, which is its parent, was told of this signal, and it stands before it.
    Trapped(Signal),
    /// It is dead and not yet reaped.
    Zombie(Status),
}

/// A stop or a continuation that the parent has not been told of: one slot, not a queue (K28).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Report {
    /// Stopped by this signal.
    Stopped(Signal),
    /// Continued.
    Continued,
}

/// What a process does about a signal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Disposition {
    /// `SIG_DFL`.
    Default,
    /// `SIG_IGN`.
    Ignore,
    /// A handler: where its code is.
    Handle(Handler),
}

/// A handler of a signal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Handler {
    /// Where in the program it begins.
    pub at: u8,
    /// The disposition is the default again once it runs (`SA_RESETHAND`).
    pub once: bool,
    /// A shell's trap: it runs between commands, and only `wait` is cut short by it (K84).
    pub trap: bool,
}

/// The most signals a process can have handlers for at a time. Shells with traps need three.
pub const MAX_HANDLERS: usize = 4;

/// The handlers of a process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Handlers([Option<(Signal, Handler)>; MAX_HANDLERS]);

impl Handlers {
    /// The handler for `signal`.
    pub fn get(&self, signal: Signal) -> Option<Handler> {
        self.0.iter().flatten().find(|(s, _)| *s == signal).map(|(_, handler)| *handler)
    }

    /// Sets or removes the handler for `signal`. The list stays sorted, so that equal handlers
    /// are equal states. False: there is no room for another one.
    pub fn set(&mut self, signal: Signal, handler: Option<Handler>) -> bool {
        let mut rest: Vec<_> = self.0.iter().flatten().copied().filter(|h| h.0 != signal).collect();
        rest.extend(handler.map(|handler| (signal, handler)));
        rest.sort_by_key(|(signal, _)| *signal);
        let fits = rest.len() <= MAX_HANDLERS;
        if fits {
            self.0 = std::array::from_fn(|at| rest.get(at).copied());
        }
        fits
    }

    /// Is one of them a shell's trap?
    pub fn has_traps(&self) -> bool {
        self.0.iter().flatten().any(|(_, handler)| handler.trap)
    }

    /// The signals that are handled.
    pub fn signals(&self) -> SignalSet {
        self.0.iter().flatten().fold(SignalSet::EMPTY, |set, (signal, _)| set.with(*signal))
    }
}

/// Facts about a process that decide nothing and judge: the laws' own memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact about a process")]
pub struct Ghost {
    /// It is the main child (not only: has its pid).
    pub main: bool,
    /// Init sent it the drain signal, or tried to and was not allowed to.
    pub asked: bool,
    /// Init sent it CONT, or tried to.
    pub woken: bool,
    /// It existed when the last call began.
    pub at_last_call: bool,
    /// TERM reached it: it was neither dropped nor ignored. Kept only if a scenario asks how
    /// processes end.
    pub got_term: bool,
    /// Who sent the KILL that it dies of, for the reader.
    pub killed_by: Unhashed<Option<Killer>>,
}

/// Who sent a SIGKILL.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Killer {
    /// The init under test.
    Init,
    /// The kernel, because PID 1 ended (K58).
    Teardown,
    /// Somebody else.
    Other,
}

/// What the kernel keeps of a process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that the kernel has, too")]
pub struct Process {
    /// Its number in the PID namespace.
    pub pid: Pid,
    /// Its parent; none if that is outside of the namespace (`getppid()` is 0).
    pub parent: Option<Pid>,
    /// Its process group; 0: one of the outside.
    pub group: u32,
    /// Its session; 0: one of the outside.
    pub session: u32,
    /// Real, effective and saved user id, which are one here.
    pub uid: u8,
    /// What it is doing.
    pub state: State,
    /// What its parent can be told beside its death.
    pub report: Option<Report>,
    /// The signal that it stands before, if its tracer, its parent, has not been told: a slot of
    /// its own beside `report` (seen on Linux 6.18: both are told under one CHLD).
    pub trap: Option<Signal>,
    /// It was continued and will send its parent CHLD when it runs next (part 0: "owe parent").
    pub owes_chld: bool,
    /// Signals that were generated and not delivered or taken.
    pub pending: SignalSet,
    /// Real-time signals one by one, and values that came with signals; in order (K21).
    pub queue: Vec<(Signal, Option<u64>)>,
    /// The signals that it does not want now.
    pub blocked: SignalSet,
    /// The signals that it ignores.
    pub ignored: SignalSet,
    /// Those that it ignored when its program began: a shell cannot trap them (K86).
    pub ignored_at_start: SignalSet,
    /// The signals that it handles.
    pub handlers: Handlers,
    /// Its handlers ask for no stop reports or zombies of children (`SA_NOCLDWAIT`, K31).
    pub no_child_wait: bool,
    /// The PID namespace's init: what it has no handler for does not reach it (K1, K2).
    pub unkillable: bool,
    /// It adopts the orphans among its descendants (K53).
    pub subreaper: bool,
    /// Its death has begun so far that it adopts nobody any more (`PF_EXITING`, K52). Only whoever
    /// lets a death take its time sets this.
    pub exiting: bool,
    /// It sleeps where nothing wakes it, not even KILL (state D).
    pub uninterruptible: bool,
    /// A debugger that is not its parent will hold its zombie (K39).
    pub traced: bool,
    /// Init is its tracer (`PTRACE_TRACEME`): it stands still before each signal.
    pub traced_by_parent: bool,
    /// What it executes.
    pub code: Code,
    /// What it said, if a scenario asks for endings.
    pub said: Vec<String>,
    /// The laws' memory.
    pub ghost: Ghost,
    /// Its number in order of birth, for the reader.
    pub id: Unhashed<u32>,
}

impl Process {
    /// Alive, in the sense that it can do or be done something.
    pub const fn is_alive(&self) -> bool {
        !matches!(self.state, State::Zombie(_))
    }

    /// Is it going to die of what is delivered to it next?
    pub fn dies_next(&self) -> bool {
        let next = next_signal(minus(self.pending, self.blocked));
        self.is_alive()
            && (self.pending.contains(Signal::KILL)
                || !self.unkillable
                    && !self.traced_by_parent
                    && next.is_some_and(|signal| {
                        super::kills_by_default(signal)
                            && self.disposition(signal) == Disposition::Default
                    }))
    }

    /// What it does about `signal`.
    pub fn disposition(&self, signal: Signal) -> Disposition {
        if self.ignored.contains(signal) {
            Disposition::Ignore
        } else {
            self.handlers.get(signal).map_or(Disposition::Default, Disposition::Handle)
        }
    }

    /// Takes `signal` from the queue, if it is pending: the value that came with its first.
    pub fn take(&mut self, signal: Signal) -> Option<Option<u64>> {
        if !self.pending.contains(signal) {
            return None;
        }
        let first = self.queue.iter().position(|(queued, _)| *queued == signal);
        let value = first.and_then(|at| self.queue.remove(at).1);
        if !self.queue.iter().any(|(queued, _)| *queued == signal) {
            self.pending = without(self.pending, signal);
        }
        Some(value)
    }

    /// Forgets a pending signal altogether.
    pub fn forget(&mut self, signal: Signal) {
        if self.pending.contains(signal) {
            self.pending = without(self.pending, signal);
            self.queue.retain(|(queued, _)| *queued != signal);
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "S",
            Self::Stopped => "T",
            Self::Trapped(_) => "t",
            Self::Zombie(_) => "Z",
        })
    }
}

/// The set without that signal.
pub const fn without(set: SignalSet, signal: Signal) -> SignalSet {
    SignalSet::from_bits(set.bits() & !(1 << (signal.number() - 1)))
}

/// `set` without those in `other`.
pub const fn minus(set: SignalSet, other: SignalSet) -> SignalSet {
    SignalSet::from_bits(set.bits() & !other.bits())
}

/// The signals of faults, which are taken before all others, whoever sent them.
const FAULTS: SignalSet = {
    let bits = 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 30; // ILL TRAP BUS FPE SEGV SYS
    SignalSet::from_bits(bits)
};

/// The signal that is delivered or taken next: one of a fault, else the lowest (K22; seen on
/// Linux 6.18 with sigtimedwait(2), too: SYS, which is 31, comes before CHLD).
pub const fn next_signal(set: SignalSet) -> Option<Signal> {
    let faults = SignalSet::from_bits(set.bits() & FAULTS.bits());
    lowest(if faults.is_empty() { set } else { faults })
}

/// The lowest signal of the set.
pub const fn lowest(set: SignalSet) -> Option<Signal> {
    if set.is_empty() {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "at most 63")]
    Signal::new(set.bits().trailing_zeros() as u8 + 1)
}
