//! What can be seen of the processes, on either kernel, when nobody has anything left to do.

use std::collections::BTreeMap;

use lastout_core::{SignalSet, Status};

use crate::execute::Outcome;

/// How far a process is with its instruction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// It stands before it.
    Gate,
    /// It waits in it.
    Call,
    /// It was stopped or killed in the middle. In the simulation: it is stopped in a handler, and
    /// who was stopped on the way into one has not yet said that it is there.
    Midway,
}

/// What it is doing, as `ps` would say.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// It sleeps: at its gate or in its call.
    Sleeping,
    /// It is stopped.
    Stopped,
    /// It is dead, and ended so.
    Zombie(Status),
}

/// One process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Seen {
    /// What it is doing.
    pub state: State,
    /// How far it is.
    pub phase: Phase,
    /// Its parent, group and session, named by their founders' order of birth; 0: outside.
    pub parent: u32,
    /// See `parent`.
    pub group: u32,
    /// See `parent`.
    pub session: u32,
    /// Its effective user id; here all of them are one.
    pub uid: u8,
    /// Signals that were generated and not delivered.
    pub pending: SignalSet,
    /// Its mask.
    pub blocked: SignalSet,
    /// What it ignores.
    pub ignored: SignalSet,
    /// What it handles.
    pub handled: SignalSet,
    /// Its program.
    pub program: u8,
    /// Its next instruction, or the one that it is in.
    pub at: u8,
    /// Its `$?`.
    pub status: u8,
    /// Where it goes on after its handlers. Only the simulated kernel shows this.
    pub after: Vec<u8>,
}

/// All of them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct View {
    /// Who is there, zombies too, by order of birth from 1.
    pub processes: BTreeMap<u32, Seen>,
    /// What the instructions of each were answered, also of who is gone. `None`: the answer is
    /// under way, or never came.
    pub answers: BTreeMap<u32, Vec<Option<Outcome>>>,
    /// PID 1 has ended, and so; nothing else counts then.
    pub over: Option<Status>,
}

impl Seen {
    /// Is it no zombie?
    pub const fn is_alive(&self) -> bool {
        !matches!(self.state, State::Zombie(_))
    }

    /// Could `self`, of the simulated kernel, be `real`?
    fn admits(&self, real: &Self) -> bool {
        let place = |seen: &Self| (seen.state, seen.parent, seen.group, seen.session, seen.uid);
        let signals = |seen: &Self| (seen.pending, seen.blocked, seen.ignored, seen.handled);
        let code = |seen: &Self| (seen.phase, seen.program, seen.at, seen.status);
        place(self) == place(real)
            && (!self.is_alive()
                || signals(self) == signals(real)
                    && match (self.phase, real.phase) {
                        (_, Phase::Midway) => true,
                        // Its handler may not have begun: then it shows where it was before.
                        (Phase::Midway, _) => {
                            self.program == real.program
                                && (self.at == real.at || self.after.contains(&real.at))
                        }
                        _ => code(self) == code(real),
                    })
    }
}

impl View {
    /// Could `self`, of the simulated kernel, be `real`?
    pub fn admits(&self, real: &Self) -> bool {
        if self.over.is_some() || real.over.is_some() {
            return self.over == real.over;
        }
        self.processes.len() == real.processes.len()
            && self.processes.iter().all(|(number, seen)| {
                real.processes.get(number).is_some_and(|real| seen.admits(real))
            })
            && self.answers_admit(real)
    }

    fn answers_admit(&self, real: &Self) -> bool {
        let all = self.answers.keys().chain(real.answers.keys());
        all.into_iter().all(|number| {
            let ours = self.answers.get(number).map_or(&[][..], Vec::as_slice);
            let theirs = real.answers.get(number).map_or(&[][..], Vec::as_slice);
            // A call that goes on has no answer in the simulation, and one under way on Linux; who
            // dies in sigwaitinfo(2) may have had its signal before.
            let dead = !real.processes.get(number).is_some_and(Seen::is_alive);
            let (known, more) = theirs.split_at(theirs.len().min(ours.len()));
            let last = theirs.len().wrapping_sub(1);
            known.len() == ours.len()
                && (matches!(more, [] | [None])
                    || dead && matches!(more, [Some(Outcome::Answered(Ok(())))]))
                && ours
                    .iter()
                    .zip(known)
                    .enumerate()
                    .all(|(at, (ours, theirs))| ours == theirs || theirs.is_none() && at == last)
        })
    }
}
