//! A life, read from the notes: who was there, what happened to each, and in which order.
//!
//! Many things happen in the same millisecond, and their order is what matters. So a life is cut
//! into *moments*: what a reader may see as happening at once, such as one kill(-1). Nobody has
//! two marks in a moment.

use std::collections::BTreeMap;

use lastout_core::{Millis, Phase, Pid, Signal, Status};

use super::names::Names;
use crate::kernel::{Killer, Sender};
use crate::note::{Note, What};
use crate::world::World;

/// Who sent a signal, as the pictures tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    Init,
    Engine,
    Kernel,
    Process(Pid),
}

impl By {
    /// In words.
    pub(super) fn name(self) -> String {
        match self {
            Self::Init => "init".into(),
            Self::Engine => "engine".into(),
            Self::Kernel => "kernel".into(),
            Self::Process(pid) => pid.to_string(),
        }
    }
}

/// What happened to a process in a moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mark {
    /// It was sent a signal; or that had no effect.
    Sent { signal: Signal, by: By, effect: bool },
    /// A handler was entered.
    Handles(Signal),
    /// It was stopped, or stands before a signal.
    Stopped(Signal),
    /// It ended; if it was killed, by whom.
    Ended(Status, Option<By>),
}

/// What a process is from a moment on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Being {
    Runs,
    Stopped,
    Hangs,
    Zombie,
    Gone,
}

/// A process in a life.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) pid: Pid,
    /// What it executed, in order.
    pub(super) programs: Vec<String>,
    /// How many of its ancestors are rows: the place in the tree, as it was born.
    pub(super) depth: usize,
    /// What it was from which moment on; the first is its birth.
    pub(super) beings: Vec<(usize, Being)>,
    /// What happened to it in which moment.
    pub(super) marks: Vec<(usize, Mark)>,
}

impl Row {
    /// How it ended, in words; nothing if it did not.
    pub(super) fn ending(&self) -> Option<String> {
        self.marks.iter().find_map(|(_, mark)| match mark {
            Mark::Ended(Status::Exited(code), _) => Some(format!("exit {code}")),
            Mark::Ended(Status::Killed { signal, .. }, by) => Some(match by {
                None => format!("killed ({signal})"),
                // The kernel's KILL is the end of the namespace (K58).
                Some(By::Kernel) if *signal == Signal::KILL => {
                    format!("killed by kernel at teardown ({signal})")
                }
                Some(by) => format!("killed by {} ({signal})", by.name()),
            }),
            _ => None,
        })
    }

    fn is(&mut self, moment: usize, being: Being) {
        if self.beings.last().is_none_or(|(_, last)| *last != being) {
            self.beings.push((moment, being));
        }
    }

    /// What it is after that moment; nothing before its birth.
    pub(super) fn being(&self, moment: usize) -> Option<Being> {
        self.beings.iter().rev().find(|(since, _)| *since <= moment).map(|(_, being)| *being)
    }

    /// The mark of that moment.
    pub(super) fn mark(&self, moment: usize) -> Option<&Mark> {
        self.marks.iter().find(|(at, _)| *at == moment).map(|(_, mark)| mark)
    }

    /// Whose signal kills it: the last that was sent and had an effect.
    fn killed_by(&self, signal: Signal) -> Option<By> {
        self.marks.iter().rev().find_map(|(_, mark)| match mark {
            Mark::Sent { signal: sent, by, effect: true } if *sent == signal => Some(*by),
            _ => None,
        })
    }
}

/// What may be seen as happening at once.
#[derive(Clone, Default, Debug)]
pub(super) struct Moment {
    /// When, in ms from the beginning.
    pub(super) at: u64,
    /// The time before it passed while the container was frozen.
    pub(super) frozen: bool,
    /// What the engine does, or what goes wrong.
    pub(super) engine: Option<String>,
    /// The phase of the init that begins.
    pub(super) phase: Option<Phase>,
    /// What kind of thing happens to processes in it.
    class: Option<u8>,
}

/// A life.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) moments: Vec<Moment>,
    /// The processes: parents before their children, brothers and sisters in order of birth.
    pub(super) rows: Vec<Row>,
}

impl Life {
    /// When a process became that, in seconds.
    pub(super) fn since(&self, row: &Row, being: Being) -> Option<String> {
        let (moment, _) = row.beings.iter().find(|(_, of)| *of == being)?;
        Some(self.seconds(*moment))
    }

    /// When that moment was.
    pub(super) fn seconds(&self, moment: usize) -> String {
        seconds(self.moments[moment].at)
    }

    /// What was sent to a process, by whom and when: `TERM+CONT by init at 5s, KILL by init at
    /// 10s`; in brackets what had no effect.
    pub(super) fn sent(&self, row: &Row) -> Option<String> {
        let mut parts: Vec<(String, String)> = Vec::new();
        for (moment, mark) in &row.marks {
            if let Mark::Sent { signal, by, effect } = mark {
                let name = if *effect { signal.to_string() } else { format!("({signal})") };
                let how = format!("by {} at {}", by.name(), self.seconds(*moment));
                match parts.last_mut() {
                    Some((names, last)) if *last == how => *names = format!("{names}+{name}"),
                    _ => parts.push((name, how)),
                }
            }
        }
        let parts: Vec<_> = parts.iter().map(|(names, how)| format!("{names} {how}")).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// The life that the notes of a world tell.
    pub(super) fn of(world: &World) -> Self {
        let init = world.driver().map(|driver| driver.pid);
        let mut reader = Reader {
            names: Names::of_init(init),
            init,
            moments: vec![Moment::default()],
            rows: BTreeMap::new(),
            parents: BTreeMap::new(),
            frozen: false,
            now: 0,
        };
        for timed in world.kernel.notes.kept() {
            reader.now = timed.at;
            reader.names.read(&timed.note);
            reader.read(&timed.note);
        }
        reader.now = world.kernel.notes.now();
        if reader.moments.last().is_none_or(|last| last.at < reader.now) {
            reader.begin();
        }
        let mut life = Self { moments: reader.moments, rows: Vec::new() };
        life.plant(&mut reader.rows, &reader.parents, None, 0);
        life
    }

    /// The tree of those who were born to `parent`.
    fn plant(
        &mut self,
        rows: &mut BTreeMap<u32, Row>,
        parents: &BTreeMap<u32, Option<u32>>,
        parent: Option<u32>,
        depth: usize,
    ) {
        for (&id, _) in parents.iter().filter(|(_, of)| **of == parent) {
            if let Some(mut row) = rows.remove(&id) {
                row.depth = depth;
                self.rows.push(row);
                self.plant(rows, parents, Some(id), depth + 1);
            }
        }
    }
}

/// A time since the beginning, in seconds.
pub(super) fn seconds(at: u64) -> String {
    Millis(u32::try_from(at).unwrap_or(u32::MAX)).in_seconds().to_string()
}

struct Reader {
    names: Names,
    init: Option<Pid>,
    moments: Vec<Moment>,
    rows: BTreeMap<u32, Row>,
    /// To whom each was born.
    parents: BTreeMap<u32, Option<u32>>,
    frozen: bool,
    now: u64,
}

impl Reader {
    fn begin(&mut self) {
        let frozen = std::mem::take(&mut self.frozen);
        self.moments.push(Moment { at: self.now, frozen, ..Moment::default() });
    }

    /// The moment in which something of that class happens to a process.
    fn moment(&mut self, id: u32, class: u8) -> usize {
        let now = self.moments.len() - 1;
        let taken = |row: &Row| {
            row.marks.last().is_some_and(|(at, _)| *at == now)
                || row.beings.last().is_some_and(|(at, being)| *at == now && *being != Being::Runs)
        };
        let last = &self.moments[now];
        let fits = last.at == self.now
            && last.class.is_none_or(|of| of == class)
            && !self.rows.get(&id).is_some_and(taken);
        if !fits {
            self.begin();
        }
        let now = self.moments.len() - 1;
        self.moments[now].class = Some(class);
        now
    }

    /// The moment that a thing of the engine or of the phases begins.
    fn head(&mut self) -> &mut Moment {
        let now = self.moments.last().expect("there is always one");
        let empty = now.engine.is_none() && now.phase.is_none() && now.class.is_none();
        if !empty || now.at != self.now {
            self.begin();
        }
        self.moments.last_mut().expect("there is always one")
    }

    fn becomes(&mut self, id: u32, class: u8, being: Being) {
        let moment = self.moment(id, class);
        if let Some(row) = self.rows.get_mut(&id) {
            row.is(moment, being);
        }
    }

    fn happens(&mut self, id: u32, class: u8, mark: Mark, being: Option<Being>) {
        let moment = self.moment(id, class);
        if let Some(row) = self.rows.get_mut(&id) {
            row.marks.push((moment, mark));
            if let Some(being) = being {
                row.is(moment, being);
            }
        }
    }

    fn appears(&mut self, id: u32, pid: Pid, parent: Option<u32>, program: Option<&str>) {
        let moment = self.moment(id, 0);
        self.parents.insert(id, parent);
        self.rows.insert(
            id,
            Row {
                pid,
                programs: program.map(str::to_owned).into_iter().collect(),
                depth: 0,
                beings: vec![(moment, Being::Runs)],
                marks: Vec::new(),
            },
        );
    }

    fn by(&self, from: Sender) -> By {
        match from {
            Sender::Kernel => By::Kernel,
            Sender::Outside => By::Engine,
            Sender::Inside(pid) if Some(pid) == self.init => By::Init,
            Sender::Inside(pid) => By::Process(pid),
        }
    }

    fn read(&mut self, note: &Note) {
        match note {
            Note::There { id, pid, parent, program } => {
                let parent = parent.and_then(|parent| self.names.id(parent));
                self.appears(*id, *pid, parent, Some(program));
            }
            Note::Born { id, pid, parent } => {
                let parent = parent.and_then(|parent| self.names.id(parent));
                self.appears(*id, *pid, parent, None);
            }
            Note::Executes { id, program, .. } => {
                if let Some(row) = self.rows.get_mut(id)
                    && row.programs.last() != Some(program)
                {
                    row.programs.push(program.clone());
                }
            }
            // Nobody ends of CHLD, and the dead of nothing.
            Note::Sent { from, id, signal, what, .. }
                if *signal != Signal::CHLD && *what != What::Dead =>
            {
                let effect = matches!(what, What::Pending | What::Continued);
                let mark = Mark::Sent { signal: *signal, by: self.by(*from), effect };
                let being = (*what == What::Continued).then_some(Being::Runs);
                self.happens(*id, 1, mark, being);
            }
            Note::Handles { id, signal, .. } => self.happens(*id, 2, Mark::Handles(*signal), None),
            Note::Stopped { id, signal, .. } | Note::Trapped { id, signal, .. } => {
                self.happens(*id, 3, Mark::Stopped(*signal), Some(Being::Stopped));
            }
            Note::Goes { id, .. } => self.becomes(*id, 4, Being::Runs),
            Note::Hangs { id, .. } => self.becomes(*id, 4, Being::Hangs),
            Note::LetGo { id, .. } => {
                let hangs = |row: &Row| row.beings.last().map(|(_, b)| *b) == Some(Being::Hangs);
                if self.rows.get(id).is_some_and(hangs) {
                    self.becomes(*id, 4, Being::Runs);
                }
            }
            Note::Died { id, status, by, .. } => self.died(*id, *status, *by),
            Note::Reaped { id, .. } => self.becomes(*id, 6, Being::Gone),
            Note::Phase { phase } => self.head().phase = Some(*phase),
            Note::Engine { what } | Note::Outside { what } => {
                self.head().engine = Some(what.clone());
            }
            Note::Passed { frozen, .. } => self.frozen |= frozen,
            Note::Sent { .. } | Note::Adopted { .. } | Note::Says { .. } | Note::Step { .. } => (),
        }
    }

    fn died(&mut self, id: u32, status: Status, killed_by: Option<Killer>) {
        let by = match status {
            Status::Exited(_) => None,
            Status::Killed { signal, .. } => {
                let sender = self.rows.get(&id).and_then(|row| row.killed_by(signal));
                match killed_by.filter(|_| signal == Signal::KILL) {
                    Some(Killer::Init) => Some(By::Init),
                    Some(Killer::Teardown) => Some(By::Kernel),
                    Some(Killer::Other) | None => sender,
                }
            }
        };
        self.happens(id, 5, Mark::Ended(status, by), Some(Being::Zombie));
    }
}
