//! The conductor: gives the cues to real processes, waits until nobody has anything left to do,
//! looks, and asks the simulated kernel whether it could look so, too.
//!
//! Long, and in one file: what a cue starts, when it is over and what is seen then are one argument.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lastout_core::{Pid, SignalSet};
use lastout_sim::parity::{
    Beliefs, Cue, Lost, Phase, Score, Seen, State, View, changes, unplayable,
};
use lastout_sim::program::{Instruction, Library};

use super::encode;
use super::processes::{self, Looked};
use super::stage::{self, Stage, order, phase};
use crate::tools;

/// So long a process may take for one instruction, on a machine that has others to do.
const LIMIT: Duration = Duration::from_secs(30);

/// What a cue can be about now.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who is at its gate, and before what.
    pub at_gate: Vec<(u32, Instruction)>,
    /// Who is there and no zombie.
    pub alive: Vec<u32>,
    /// Who of them is stopped.
    pub stopped: Vec<u32>,
    /// Zombies whose parent is outside.
    pub held: Vec<u32>,
    /// How many were ever born.
    pub born: usize,
}

/// A score that was played to its end.
#[derive(Clone, Debug)]
pub struct Played {
    /// The cues that were given.
    pub cues: Vec<Cue>,
    /// What was seen, before the first and after each.
    pub views: Vec<View>,
    /// The most states that the simulated kernel could be in at a time.
    pub widest: usize,
}

impl Played {
    /// What happened, in words: each cue, and what changed.
    #[must_use]
    pub fn transcript(&self, library: &Library) -> String {
        use std::fmt::Write;
        let mut text = String::new();
        for (at, cue) in self.cues.iter().enumerate() {
            let _ = writeln!(text, "    {}", cue.shown(library));
            let Some(after) = self.views.get(at + 1) else {
                break;
            };
            for line in changes(&self.views[at], after, library) {
                let _ = writeln!(text, "        # {line}");
            }
        }
        text
    }
}

/// Why it was not.
#[derive(Debug)]
pub enum Failure {
    /// The simulated kernel cannot look as the real one does.
    Divergence(Box<Divergence>),
    /// Too many processes acted at once: nobody can say whether the kernels differ.
    TooManyOrders,
    /// The conductor could not do its work; what, and why.
    Trouble(String),
}

/// What was seen and is not admitted.
#[derive(Debug)]
pub struct Divergence {
    /// The programs, and the cues so far.
    pub score: Score,
    before: Option<View>,
    real: View,
    believed: Vec<View>,
    why: Option<Lost>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = match self {
            Self::Trouble(what) => return write!(f, "the conductor is in trouble: {what}"),
            Self::TooManyOrders => return write!(f, "{}", Lost::TooMany),
            Self::Divergence(found) => found,
        };
        let library = &found.score.library;
        writeln!(f, "the kernels differ after the last cue of\n\n{}", found.score)?;
        if let Some(why) = &found.why {
            writeln!(f, "the simulated kernel: {why}")?;
        }
        if let Some(before) = &found.before {
            writeln!(f, "on Linux the last cue led to")?;
            for line in changes(before, &found.real, library) {
                writeln!(f, "    {line}")?;
            }
            for (at, believed) in found.believed.iter().enumerate().take(8) {
                writeln!(
                    f,
                    "in the simulation to (possibility {} of {})",
                    at + 1,
                    found.believed.len()
                )?;
                for line in changes(before, believed, library) {
                    writeln!(f, "    {line}")?;
                }
                writeln!(f, "  which differs so, seen from Linux:")?;
                for line in changes(&found.real, believed, library) {
                    writeln!(f, "    {line}")?;
                }
            }
        }
        writeln!(f, "seen on Linux: {:#?}", found.real.processes)
    }
}

/// The shared memory.
struct Shared {
    file: File,
    at: *mut Stage,
}

// SAFETY: a mapping belongs to no thread, and all in it is atomic.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> std::io::Result<Self> {
        // SAFETY: a new descriptor, which is ours alone.
        let file = unsafe {
            let fd = libc::memfd_create(c"lastout-stage".as_ptr(), libc::MFD_CLOEXEC);
            if fd < 0 {
                return Err(std::io::Error::last_os_error());
            }
            File::from_raw_fd(fd)
        };
        file.set_len(size_of::<Stage>() as u64)?;
        // SAFETY: a new mapping of a file that is as long.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Stage>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if at == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Self { file, at: at.cast() })
    }

    fn stage(&self) -> &Stage {
        // SAFETY: mapped as long as we are there; all zeroes are a stage, too.
        unsafe { &*self.at }
    }

    /// Everything as at the beginning. Nobody else may have it.
    fn clear(&self) {
        // SAFETY: as above; bytes of atomics.
        unsafe { std::ptr::write_bytes(self.at.cast::<u8>(), 0, size_of::<Stage>()) };
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: our mapping, and nobody has a reference into it any more.
        unsafe { libc::munmap(self.at.cast(), size_of::<Stage>()) };
    }
}

/// Wakes who waits for that count to change.
fn wake(count: &AtomicU32) {
    // SAFETY: futex(2) on memory that is there.
    unsafe { libc::syscall(libc::SYS_futex, count.as_ptr(), libc::FUTEX_WAKE, i32::MAX, 0, 0, 0) };
}

/// Gives cues.
pub struct Conductor {
    shared: Shared,
}

impl Conductor {
    /// A conductor with a stage of its own.
    ///
    /// # Panics
    /// If there is no memory to be had.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Shared::new().expect("memory to share") }
    }

    /// Plays a score that is written down.
    ///
    /// # Errors
    /// A divergence, a cue that does not fit, or trouble.
    pub fn perform(&mut self, score: &Score) -> Result<Played, Failure> {
        let mut cues = score.cues.iter().copied();
        let played = self.play(&score.library, |_| cues.next())?;
        if cues.next().is_some() {
            return Err(Failure::Trouble("all is over before the last cue".into()));
        }
        Ok(played)
    }

    /// Plays: `next` gives the cues one by one, until it has none or PID 1 has ended.
    ///
    /// # Errors
    /// A divergence, or trouble.
    pub fn play(
        &mut self,
        library: &Library,
        mut next: impl FnMut(&Options) -> Option<Cue>,
    ) -> Result<Played, Failure> {
        if let Some((instruction, why)) = unplayable(library) {
            return Err(Failure::Trouble(format!("{instruction:?} cannot be played: {why}")));
        }
        let mut play = Play::start(&self.shared, library).map_err(Failure::Trouble)?;
        let mut beliefs = Beliefs::start(library.clone());
        let mut played = Played { cues: Vec::new(), views: Vec::new(), widest: 1 };
        let mut problem = beliefs.settle().err();
        loop {
            let view =
                play.settle().map_err(|what| Failure::Trouble(told(library, &played, &what)))?;
            played.widest = played.widest.max(beliefs.states().len());
            if problem == Some(Lost::TooMany) {
                return Err(Failure::TooManyOrders);
            }
            if problem.is_some() || !beliefs.keep(&view) {
                return Err(Failure::Divergence(Box::new(Divergence {
                    score: Score {
                        library: library.clone(),
                        cues: played.cues,
                        ..Score::default()
                    },
                    before: played.views.pop(),
                    real: view,
                    believed: beliefs.views(),
                    why: problem,
                })));
            }
            let over = view.over.is_some();
            let options = play.options(&view);
            played.views.push(view);
            if over {
                return Ok(played);
            }
            let Some(cue) = next(&options) else {
                return Ok(played);
            };
            played.cues.push(cue);
            play.give(cue).map_err(|what| Failure::Trouble(told(library, &played, &what)))?;
            problem = beliefs.follow(cue).err();
        }
    }
}

impl Default for Conductor {
    fn default() -> Self {
        Self::new()
    }
}

/// With what happened before.
fn told(library: &Library, played: &Played, what: &str) -> String {
    format!("{what}\n\n{library}\ncues\n{}", played.transcript(library))
}

/// A score that is being played.
struct Play<'a> {
    stage: &'a Stage,
    library: &'a Library,
    launcher: Child,
    /// Pids here, by order of birth.
    hosts: BTreeMap<u32, u32>,
    /// Whose parent is outside.
    entered: Vec<u32>,
}

impl<'a> Play<'a> {
    fn start(shared: &'a Shared, library: &'a Library) -> Result<Self, String> {
        shared.clear();
        let stage = shared.stage();
        if library.programs.len() > stage::PROGRAMS {
            return Err(format!("more than {} programs", stage::PROGRAMS));
        }
        for (at, program) in library.programs.iter().enumerate() {
            let place = &stage.programs[at];
            if program.code.len() > stage::INSTRUCTIONS {
                return Err(format!("more than {} instructions", stage::INSTRUCTIONS));
            }
            for (at, instruction) in program.code.iter().enumerate() {
                let word = u32::from_le_bytes(encode::instruction(instruction));
                place.code[at].store(word, Ordering::Relaxed);
            }
            let length = u32::try_from(program.code.len()).expect("a few");
            place.length.store(length, Ordering::Release);
        }
        let file = shared.file.try_clone().map_err(|error| error.to_string())?;
        let launcher = Command::new(tools::puppet())
            .stdin(Stdio::from(file))
            .spawn()
            .map_err(|error| format!("{}: {error}", tools::puppet().display()))?;
        let mut play =
            Self { stage, library, launcher, hosts: BTreeMap::new(), entered: Vec::new() };
        play.await_launcher(|play| play.stage.born.load(Ordering::Acquire) != 0)?;
        play.entered.push(1);
        Ok(play)
    }

    /// Waits for the launcher, which has something to do.
    fn await_launcher(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<(), String> {
        let start = Instant::now();
        while !is_so(self) {
            if let Some(end) = self.launcher.try_wait().map_err(|error| error.to_string())? {
                let trouble =
                    i32::try_from(self.stage.trouble.load(Ordering::Acquire)).unwrap_or(0);
                let trouble = std::io::Error::from_raw_os_error(trouble);
                return Err(format!("the launcher ended, {end}: {trouble}"));
            }
            if start.elapsed() > LIMIT {
                return Err("the launcher does not answer".into());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn order(&mut self, what: u32, argument: u32) -> Result<(), String> {
        self.stage.order.store(what, Ordering::Release);
        self.stage.argument.store(argument, Ordering::Release);
        self.stage.orders.fetch_add(1, Ordering::AcqRel);
        wake(&self.stage.orders);
        if what == order::END {
            return Ok(());
        }
        self.await_launcher(|play| {
            let orders = play.stage.orders.load(Ordering::Acquire);
            play.stage.followed.load(Ordering::Acquire) == orders
        })
    }

    fn host(&self, who: u32) -> Result<u32, String> {
        self.hosts.get(&who).copied().ok_or_else(|| format!("there is no process {who}"))
    }

    /// Does what the cue says.
    fn give(&mut self, cue: Cue) -> Result<(), String> {
        match cue {
            Cue::Step { who, way } => {
                self.host(who)?;
                let seat = &self.stage.seats[who as usize - 1];
                let program = seat.program.load(Ordering::Acquire);
                let at = seat.at.load(Ordering::Acquire);
                let number = |word: u32| u8::try_from(word).unwrap_or(u8::MAX);
                if let Instruction::Either(places) = self.library.at(number(program), number(at)) {
                    let place = places.get(usize::from(way)).ok_or("there is no such way")?;
                    seat.way.store(u32::from(*place), Ordering::Release);
                }
                if seat.phase.load(Ordering::Acquire) != phase::GATE {
                    return Err(format!("{who} is not at its gate"));
                }
                seat.cues.fetch_add(1, Ordering::AcqRel);
                wake(&seat.cues);
            }
            Cue::Kill { who, signal } => {
                let pid = i32::try_from(self.host(who)?).map_err(|error| error.to_string())?;
                // SAFETY: a process of this play, which only its own parents reap.
                unsafe { libc::kill(pid, i32::from(signal.number())) };
            }
            Cue::Enter { program } => {
                let before = self.stage.born.load(Ordering::Acquire);
                self.order(order::ENTER, u32::from(program))?;
                if self.stage.born.load(Ordering::Acquire) > before {
                    self.entered.push(before + 1);
                }
            }
            Cue::LetGo { who } => {
                let host = self.host(who)?;
                self.order(order::LET_GO, host)?;
            }
        }
        Ok(())
    }

    /// Finds the pids of those who were born since.
    fn discover(&mut self) {
        let born = self.stage.born.load(Ordering::Acquire);
        if (1..=born).all(|number| self.hosts.contains_key(&number)) {
            return;
        }
        for number in 1..=born {
            let host = self.stage.seats[number as usize - 1].host.load(Ordering::Acquire);
            if host != 0 {
                self.hosts.insert(number, host);
            }
        }
        let mut open: Vec<u32> =
            self.entered.iter().filter_map(|n| self.hosts.get(n).copied()).collect();
        while let Some(pid) = open.pop() {
            for child in processes::children(pid) {
                open.push(child);
                if self.hosts.values().any(|&host| host == child) {
                    continue;
                }
                if let Some(looked) = processes::look(child)
                    && let Some(number) = self.number(looked.pid)
                {
                    self.hosts.insert(number, child);
                }
            }
        }
    }

    /// Who has that pid inside, by order of birth; 0: nobody.
    fn number(&self, pid: u32) -> Option<u32> {
        let born = self.stage.born.load(Ordering::Acquire);
        (1..=born).find(|&n| self.stage.seats[n as usize - 1].pid.load(Ordering::Acquire) == pid)
    }

    /// Looks at everybody; `None`: somebody still has something to do.
    fn look(&self) -> Option<BTreeMap<u32, Option<Looked>>> {
        let born = self.stage.born.load(Ordering::Acquire);
        let mut all = BTreeMap::new();
        for number in 1..=born {
            let looked = processes::look(*self.hosts.get(&number)?);
            if let Some(looked) = &looked {
                let seat = &self.stage.seats[number as usize - 1];
                let followed =
                    seat.cues.load(Ordering::Acquire) == seat.done.load(Ordering::Acquire);
                let phase = seat.phase.load(Ordering::Acquire);
                let rests = match looked.state {
                    'Z' | 'T' => true,
                    // PID 1 waits for all others to end (K59; `I` on Linux 6.1).
                    'S' | 'I' if number == 1 && processes::is_exiting(self.hosts[&1]) => true,
                    'S' => {
                        followed
                            && matches!(phase, phase::GATE | phase::CALL)
                            && looked.pending & !looked.blocked == 0
                    }
                    _ => false,
                };
                if !rests {
                    return None;
                }
            }
            all.insert(number, looked);
        }
        Some(all)
    }

    /// Waits until nobody has anything left to do.
    fn settle(&mut self) -> Result<View, String> {
        let start = Instant::now();
        let (mut before, mut off) = (None, false);
        loop {
            self.discover();
            let now = self.look();
            if let Some(now) = &now
                && before.as_ref() == Some(now)
                && off
            {
                return self.view(now);
            }
            if now.is_none() {
                std::thread::yield_now();
            }
            // Between the two looks: who was off the processor then, and has not been off it more often
            // at the second look, was so since the first.
            off = now.iter().flatten().all(|(number, looked)| {
                looked.is_none() || processes::is_off_processor(self.hosts[number])
            });
            before = now;
            if start.elapsed() > LIMIT {
                return Err(format!(
                    "nobody comes to rest: {:?}",
                    self.hosts.values().map(|&pid| processes::look(pid)).collect::<Vec<_>>()
                ));
            }
        }
    }

    fn view(&mut self, looked: &BTreeMap<u32, Option<Looked>>) -> Result<View, String> {
        let mut view = View::default();
        let one = looked.get(&1).and_then(Option::as_ref);
        if one.is_none_or(|one| one.state == 'Z' || processes::is_exiting(self.hosts[&1])) {
            self.order(order::END, 0)?;
            let start = Instant::now();
            while self.launcher.try_wait().map_err(|error| error.to_string())?.is_none() {
                if start.elapsed() > LIMIT {
                    return Err("PID 1 ends and does not end".into());
                }
                std::thread::yield_now();
            }
            let ended = self.stage.ended.load(Ordering::Acquire);
            if ended == 0 {
                return Err("nobody knows how PID 1 ended".into());
            }
            view.over = Some(encode::status((ended & 0xffff).cast_signed())?);
            return Ok(view);
        }
        for (&number, looked) in looked {
            let seat = &self.stage.seats[number as usize - 1];
            let read =
                |word: &AtomicU32| u8::try_from(word.load(Ordering::Acquire)).unwrap_or(u8::MAX);
            let answers = (0..seat.answered.load(Ordering::Acquire) as usize).map(|at| {
                let word = seat.answers[at].load(Ordering::Acquire);
                encode::outcome(word, |pid| self.number(pid).unwrap_or(0))
            });
            let answers: Vec<_> = answers.collect::<Result<_, _>>()?;
            if !answers.is_empty() {
                view.answers.insert(number, answers);
            }
            let Some(looked) = looked else {
                continue;
            };
            let named = |number: u32| self.number(number).unwrap_or(0);
            let parent = self.hosts.iter().find(|(_, host)| **host == looked.parent);
            view.processes.insert(
                number,
                Seen {
                    state: match looked.state {
                        'Z' => {
                            let end =
                                processes::end(self.hosts[&number]).ok_or("a zombie went away")?;
                            State::Zombie(encode::status(end)?)
                        }
                        'T' => State::Stopped,
                        _ => State::Sleeping,
                    },
                    phase: match seat.phase.load(Ordering::Acquire) {
                        phase::GATE => Phase::Gate,
                        phase::CALL => Phase::Call,
                        _ => Phase::Midway,
                    },
                    parent: parent.map_or(0, |(number, _)| *number),
                    group: named(looked.group),
                    session: named(looked.session),
                    uid: u8::try_from(looked.uid).map_err(|error| error.to_string())?,
                    pending: SignalSet::from_bits(looked.pending),
                    blocked: SignalSet::from_bits(looked.blocked),
                    ignored: SignalSet::from_bits(looked.ignored),
                    handled: SignalSet::from_bits(looked.handled),
                    program: read(&seat.program),
                    at: read(&seat.at),
                    status: read(&seat.status),
                    after: Vec::new(),
                },
            );
        }
        Ok(view)
    }

    fn options(&self, view: &View) -> Options {
        let mut options = Options {
            born: self.stage.born.load(Ordering::Acquire) as usize,
            ..Options::default()
        };
        for (&number, seen) in &view.processes {
            match seen.state {
                State::Zombie(_) => {
                    if seen.parent == 0 && Pid::new(number).is_some_and(|_| number != 1) {
                        options.held.push(number);
                    }
                    continue;
                }
                State::Sleeping if seen.phase == Phase::Gate => {
                    options.at_gate.push((number, self.library.at(seen.program, seen.at).clone()));
                }
                State::Stopped => options.stopped.push(number),
                State::Sleeping => (),
            }
            options.alive.push(number);
        }
        options
    }
}

impl Drop for Play<'_> {
    fn drop(&mut self) {
        if matches!(self.launcher.try_wait(), Ok(Some(_))) {
            return;
        }
        // The launcher has not reaped it, so the pid is still its own.
        let one = self.stage.seats[0].host.load(Ordering::Acquire);
        if let Some(one) = i32::try_from(one).ok().filter(|&one| one > 0) {
            // SAFETY: see above.
            unsafe { libc::kill(one, libc::SIGKILL) };
        }
        let _ = self.order(order::END, 0);
        let start = Instant::now();
        while matches!(self.launcher.try_wait(), Ok(None)) {
            if start.elapsed() > LIMIT {
                let _ = self.launcher.kill();
                let _ = self.launcher.wait();
            }
            std::thread::yield_now();
        }
    }
}
