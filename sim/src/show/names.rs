//! Who is who: pids are given again, numbers in order of birth are not.

use std::collections::BTreeMap;

use lastout_core::{Pid, Status};

use crate::kernel::{Killer, Sender};
use crate::note::Note;

/// The names of the processes, as far as the notes have been read.
#[derive(Default)]
pub(super) struct Names {
    /// What each executes.
    programs: BTreeMap<u32, String>,
    /// Whose each pid is.
    ids: BTreeMap<Pid, u32>,
    /// The init under test.
    init: Option<Pid>,
}

impl Names {
    /// Nobody's names yet; that pid is the init's.
    pub(super) fn of_init(init: Option<Pid>) -> Self {
        Self { init, ..Self::default() }
    }

    /// One note more.
    pub(super) fn read(&mut self, note: &Note) {
        match note {
            Note::There { id, pid, program, .. } => {
                self.ids.insert(*pid, *id);
                self.programs.insert(*id, program.clone());
            }
            Note::Born { id, pid, parent } => {
                let parent = parent.and_then(|parent| self.ids.get(&parent));
                let program = parent.and_then(|id| self.programs.get(id)).cloned();
                self.programs.insert(*id, program.unwrap_or_default());
                self.ids.insert(*pid, *id);
            }
            Note::Executes { id, program, .. } => {
                self.programs.insert(*id, program.clone());
            }
            _ => (),
        }
    }

    /// The number in order of birth of whose pid that is now.
    pub(super) fn id(&self, pid: Pid) -> Option<u32> {
        self.ids.get(&pid).copied()
    }

    /// `7 (worker)`.
    pub(super) fn who(&self, pid: Pid, id: u32) -> String {
        match self.programs.get(&id) {
            _ if Some(pid) == self.init => "init".into(),
            Some(program) if !program.is_empty() => format!("{pid} ({program})"),
            _ => pid.to_string(),
        }
    }

    /// `7 (worker)`, by the pid alone.
    pub(super) fn whose(&self, pid: Pid) -> String {
        self.id(pid).map_or_else(|| pid.to_string(), |id| self.who(pid, id))
    }

    /// Who sends a signal.
    pub(super) fn sender(&self, from: Sender) -> String {
        match from {
            Sender::Kernel => "the kernel".into(),
            Sender::Outside => "the engine".into(),
            Sender::Inside(pid) => self.whose(pid),
        }
    }
}

/// How somebody ended, in words.
pub(super) fn ending(status: Status, by: Option<&str>) -> String {
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    match status {
        Status::Exited(code) => format!("exits with {code}"),
        Status::Killed { signal, core: false } => format!("is killed{by} ({signal})"),
        Status::Killed { signal, core: true } => format!("is killed{by} ({signal}, core dumped)"),
    }
}

/// Who sent a KILL, in words.
pub(super) const fn killer(by: Killer) -> &'static str {
    match by {
        Killer::Init => "init",
        Killer::Teardown => "the kernel at teardown",
        Killer::Other => "somebody else",
    }
}
