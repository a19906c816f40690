//! What the simulated kernel can look like: states, in whatever order those who have something to
//! do did it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use lastout_core::Pid;

use super::score::Cue;
use super::view::{self, Phase, Seen, View};
use crate::execute::{self, Call, Did, Limits, Outcome};
use crate::kernel::{Freezer, Kernel, Numbers, Sender, State, without};
use crate::program::{Code, Instruction, Library};

/// More processes than any score needs.
const LIMITS: Limits = Limits { processes: 64 };

/// More states than any order of a few processes leaves.
const MOST_STATES: usize = 20_000;

/// Why the simulated kernel cannot go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lost {
    /// No state can follow the cue, and why.
    Cue(String),
    /// So many processes act at once that not all orders can be kept.
    TooMany,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cue(why) => f.write_str(why),
            Self::TooMany => write!(f, "more than {MOST_STATES} orders"),
        }
    }
}

/// One possible state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Belief {
    kernel: Kernel,
    /// Who is in a call.
    in_call: BTreeSet<Pid>,
    /// Who of them has been woken by a signal.
    leaving: BTreeSet<Pid>,
    answers: BTreeMap<u32, Vec<Outcome>>,
}

/// All possible states.
#[derive(Clone, Debug)]
pub struct Beliefs {
    library: Library,
    states: Vec<Belief>,
}

impl Belief {
    fn start() -> Self {
        let one = Pid::new(1).expect("1 is a pid");
        let mut kernel = Kernel::new(Freezer::V2, true);
        kernel.numbers = Numbers::Next;
        kernel.create(one, None, Code::start(0));
        kernel.init = Some(one);
        let init = kernel.process_mut(one).expect("it was just made");
        (init.unkillable, init.group, init.session) = (true, 1, 1);
        Self {
            kernel,
            in_call: BTreeSet::new(),
            leaving: BTreeSet::new(),
            answers: BTreeMap::new(),
        }
    }

    fn answer(&mut self, pid: Pid, outcome: Outcome) {
        if outcome != Outcome::Quiet {
            self.answers.entry(pid.number()).or_default().push(outcome);
        }
    }

    fn instruction<'l>(&self, library: &'l Library, pid: Pid) -> Option<&'l Instruction> {
        let code = &self.kernel.process(pid)?.code;
        Some(library.at(code.program, code.at))
    }

    /// Does what the cue says, and nothing that follows from it.
    fn follow(&mut self, library: &Library, cue: Cue) -> Result<(), String> {
        let pid = |who: u32| {
            let there = Pid::new(who).filter(|&pid| self.kernel.process(pid).is_some());
            there.ok_or_else(|| format!("there is no process {who}"))
        };
        match cue {
            Cue::Step { who, way } => {
                let pid = pid(who)?;
                let runs = self.kernel.process(pid).is_some_and(|p| p.state == State::Running);
                if !runs || self.in_call.contains(&pid) {
                    return Err(format!("{who} is not at its gate"));
                }
                match self.instruction(library, pid) {
                    Some(
                        Instruction::Pause
                        | Instruction::Take(_)
                        | Instruction::Wait
                        | Instruction::Reap,
                    ) => {
                        self.in_call.insert(pid);
                    }
                    Some(Instruction::Either(places)) => {
                        let place = places.get(usize::from(way)).copied();
                        let process = self.kernel.process_mut(pid).expect("it is there");
                        process.code.at = place.ok_or("there is no such way")?;
                        execute::jump(library, &mut process.code);
                    }
                    _ => {
                        let outcome = execute::perform(&mut self.kernel, library, LIMITS, pid);
                        self.answer(pid, outcome);
                    }
                }
            }
            Cue::Kill { who, signal } => {
                let _ = self.kernel.kill(Sender::Outside, pid(who)?, signal, None);
            }
            Cue::Enter { program } => {
                let mut code = Code::start(program);
                execute::jump(library, &mut code);
                let _ = self.kernel.enter(code);
            }
            Cue::LetGo { who } => self.kernel.let_go(pid(who)?),
        }
        Ok(())
    }

    /// Where in the list those are who have something to do of themselves.
    fn active(&self, library: &Library) -> Vec<usize> {
        let acts = |at: &usize| {
            let process = &self.kernel.processes[*at];
            self.kernel.is_runnable(*at)
                && (process.owes_chld
                    || self.leaving.contains(&process.pid)
                    || self.kernel.has_deliverable(*at)
                    || self.in_call.contains(&process.pid)
                        && execute::ways(&self.kernel, library, *at) > 0)
        };
        (0..self.kernel.processes.len()).filter(acts).collect()
    }

    /// Does that process wait for a child, and is it going to die of what it was sent?
    fn dies_in_wait(&self, library: &Library, at: usize) -> bool {
        let process = &self.kernel.processes[at];
        let waits = matches!(
            self.instruction(library, process.pid),
            Some(Instruction::Wait | Instruction::Reap)
        );
        waits && self.in_call.contains(&process.pid) && process.is_doomed()
    }

    /// The process at that place does one thing that it has to do.
    fn act(&mut self, library: &Library, at: usize) {
        // Its parent may act before it does what else there is to do.
        if self.kernel.pay_chld(at) {
            return;
        }
        let process = &mut self.kernel.processes[at];
        let pid = process.pid;
        if process.subreaper && !process.exiting && process.dies_next() {
            // Others may die in the time that its death takes, and it adopts nobody any more.
            process.exiting = true;
            return;
        }
        let call = if !self.in_call.contains(&pid) {
            Call::Before
        } else if self.leaving.contains(&pid) {
            Call::Left
        } else if execute::is_ready(&self.kernel, library, at) {
            Call::In
        } else {
            // Others may act before the signal that has woken it is delivered.
            self.leaving.insert(pid);
            return;
        };
        let did = execute::rouse(&mut self.kernel, library, LIMITS, at, call);
        if did != Did::Stands || self.kernel.process(pid).is_none_or(|p| !p.is_alive()) {
            self.leaving.remove(&pid);
        }
        match did {
            Did::Nothing => (),
            Did::Stands => {
                if self.kernel.process(pid).is_none_or(|process| !process.is_alive()) {
                    self.in_call.remove(&pid);
                }
            }
            Did::Entered { cut_short } => {
                self.in_call.remove(&pid);
                if cut_short {
                    self.answer(pid, Outcome::CutShort);
                }
            }
            Did::Returned(outcome) => {
                self.answer(pid, outcome);
                self.in_call.remove(&pid);
            }
        }
    }

    /// What can be seen of it.
    pub fn view(&self, library: &Library) -> View {
        if self.kernel.left.is_some() {
            return View { over: self.kernel.left, ..View::default() };
        }
        let processes = self.kernel.processes.iter().map(|process| {
            let in_call = self.in_call.contains(&process.pid);
            let mut blocked = process.blocked;
            if in_call
                && process.state == State::Running
                && let Some(Instruction::Take(signal)) = self.instruction(library, process.pid)
            {
                blocked = without(blocked, *signal); // sigwaitinfo(2) opens it while it waits
            }
            let seen = Seen {
                state: match process.state {
                    State::Zombie(status) => view::State::Zombie(status),
                    State::Stopped => view::State::Stopped,
                    State::Running | State::Trapped(_) => view::State::Sleeping,
                },
                phase: match process.state {
                    // Stopped on its way into a handler, it has not begun that.
                    State::Stopped if !process.code.frames.is_empty() => Phase::Midway,
                    _ if in_call => Phase::Call,
                    _ => Phase::Gate,
                },
                parent: process.parent.map_or(0, Pid::number),
                group: process.group,
                session: process.session,
                uid: process.uid,
                pending: process.pending,
                blocked,
                ignored: process.ignored,
                handled: process.handlers.signals(),
                program: process.code.program,
                at: process.code.at,
                status: process.code.status,
                after: process.code.frames.iter().map(|frame| frame.at).collect(),
            };
            (process.pid.number(), seen)
        });
        let answers = self.answers.iter();
        View {
            processes: processes.collect(),
            answers: answers
                .map(|(n, all)| (*n, all.iter().copied().map(Some).collect()))
                .collect(),
            over: None,
        }
    }
}

impl Beliefs {
    /// The beginning: PID 1 at its first gate.
    pub fn start(library: Library) -> Self {
        let mut first = Belief::start();
        let init = &mut first.kernel.processes[0];
        execute::jump(&library, &mut init.code);
        Self { library, states: vec![first] }
    }

    /// Everything that can be believed now.
    pub fn states(&self) -> &[Belief] {
        &self.states
    }

    /// How each of them looks.
    pub fn views(&self) -> Vec<View> {
        self.states.iter().map(|state| state.view(&self.library)).collect()
    }

    /// The cue is given, and everybody does what there is to do, in whatever order.
    ///
    /// # Errors
    /// A cue that no state can follow, or too many orders.
    pub fn follow(&mut self, cue: Cue) -> Result<(), Lost> {
        let mut after = Vec::new();
        let mut why = String::new();
        for mut state in std::mem::take(&mut self.states) {
            match state.follow(&self.library, cue) {
                Ok(()) => after.push(state),
                Err(what) => why = what,
            }
        }
        if after.is_empty() {
            let cue = cue.shown(&self.library);
            return Err(Lost::Cue(format!("the cue \"{cue}\" cannot be followed: {why}")));
        }
        self.states = after;
        self.settle()
    }

    /// Everybody does what there is to do, in whatever order: all states at the end of it.
    ///
    /// # Errors
    /// Too many.
    pub fn settle(&mut self) -> Result<(), Lost> {
        let mut open = std::mem::take(&mut self.states);
        let mut known: HashSet<Belief> = open.iter().cloned().collect();
        while let Some(state) = open.pop() {
            let active =
                if state.kernel.left.is_some() { Vec::new() } else { state.active(&self.library) };
            if active.is_empty() {
                self.states.push(state);
                continue;
            }
            for at in active {
                let mut next = state.clone();
                next.act(&self.library, at);
                // A signal that kills may have woken it from its wait before its child was dead,
                // and between that and its end there is time.
                let killed = state.dies_in_wait(&self.library, at).then(|| {
                    let mut next = state.clone();
                    next.in_call.remove(&next.kernel.processes[at].pid);
                    next.act(&self.library, at);
                    next
                });
                for next in [Some(next), killed].into_iter().flatten() {
                    if known.contains(&next) {
                        continue;
                    }
                    if known.len() >= MOST_STATES {
                        return Err(Lost::TooMany);
                    }
                    known.insert(next.clone());
                    open.push(next);
                }
            }
        }
        Ok(())
    }

    /// Keeps what looks like what was seen. False: nothing does, and nothing is given up.
    pub fn keep(&mut self, real: &View) -> bool {
        let looks = |state: &Belief| state.view(&self.library).admits(real);
        let kept: Vec<Belief> = self.states.iter().filter(|state| looks(state)).cloned().collect();
        let any = !kept.is_empty();
        if any {
            self.states = kept;
        }
        any
    }
}
