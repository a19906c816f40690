//! The notes of a world as text.
//!
//! A step of the init stands at the beginning of its line, in the notation; everything else is a
//! remark. So the text is a record as soon as the policy line stands before it.

use std::fmt::Write;
use std::iter::Peekable;
use std::slice::Iter;

use lastout_core::{Pid, Signal};

use super::names::{Names, ending, killer};
use crate::kernel::Sender;
use crate::note::{Note, Timed, What};
use crate::world::World;

/// The dialogue of the init under test, with the moves of everybody else between its steps: one
/// fact a line. With the policy line before it, it is a record that replays.
pub fn story(world: &World) -> String {
    let init = world.driver().map(|driver| driver.pid);
    let mut story = Story { names: Names::of_init(init), init, text: String::new() };
    let mut notes = world.kernel.notes.kept().iter().peekable();
    let mut before = None;
    while let Some(timed) = notes.next() {
        story.names.read(&timed.note);
        story.tell(&timed.note, before, &mut notes);
        before = Some(&timed.note);
    }
    story.text
}

struct Story {
    names: Names,
    init: Option<Pid>,
    text: String,
}

impl Story {
    /// What a process or the world does; the steps of init stand out.
    fn remark(&mut self, what: &str) {
        let _ = writeln!(self.text, "#       {what}");
    }

    fn of(&mut self, pid: Pid, id: u32, what: &str) {
        let who = self.names.who(pid, id);
        self.remark(&format!("{who} {what}"));
    }

    fn tell(&mut self, note: &Note, before: Option<&Note>, rest: &mut Peekable<Iter<'_, Timed>>) {
        match note {
            // Its moves are the steps.
            Note::There { pid, .. } if Some(*pid) == self.init => (),
            Note::There { id, pid, .. } => self.of(*pid, *id, "is there"),
            Note::Born { id, pid, parent } => self.born(*id, *pid, *parent, rest),
            Note::Executes { pid, program, .. } => {
                self.remark(&format!("{pid} executes {program}"));
            }
            Note::Sent { from, signal, what, .. } => {
                let told = matches!(before, Some(Note::Engine { .. }));
                if told && *from == Sender::Outside && *what == What::Pending {
                    return; // The engine's line has said it.
                }
                self.sent(note, *from, *signal, *what, rest);
            }
            Note::Handles { id, pid, signal } => {
                self.of(*pid, *id, &format!("handles {signal}"));
            }
            Note::Stopped { id, pid, signal } => {
                self.of(*pid, *id, &format!("is stopped ({signal})"));
            }
            Note::Trapped { id, pid, signal } => {
                self.of(*pid, *id, &format!("stands before {signal}, for its tracer"));
            }
            Note::Goes { id, pid } => self.of(*pid, *id, "goes on"),
            Note::Hangs { id, pid } => self.of(*pid, *id, "hangs in the kernel (D)"),
            Note::LetGo { id, pid } => self.of(*pid, *id, "is let go of"),
            Note::Adopted { id, pid, parent } => {
                let parent = self.names.whose(*parent);
                self.of(*pid, *id, &format!("is adopted by {parent}"));
            }
            Note::Died { id, pid, status, by } => {
                self.of(*pid, *id, &ending(*status, by.map(killer)));
            }
            Note::Reaped { id, pid } => self.of(*pid, *id, "is reaped"),
            Note::Says { id, pid, word } => self.of(*pid, *id, &format!("says {word:?}")),
            Note::Step { entry, .. } => {
                let _ = writeln!(self.text, "{entry}");
            }
            Note::Phase { phase } => {
                let _ = writeln!(self.text, "# --- {phase:?}");
            }
            Note::Engine { what } => self.remark(&format!("the engine: {what}")),
            Note::Outside { what } => self.remark(what),
            Note::Passed { span, frozen } => {
                let frozen = if *frozen { ", frozen" } else { "" };
                let _ = writeln!(self.text, "# +{span}{frozen}");
            }
        }
    }

    /// A birth and what is executed then are one fact.
    fn born(
        &mut self,
        id: u32,
        pid: Pid,
        parent: Option<Pid>,
        rest: &mut Peekable<Iter<'_, Timed>>,
    ) {
        let to = match parent {
            Some(parent) => format!("is born to {}", self.names.whose(parent)),
            None => "enters".into(),
        };
        let executes =
            |timed: &&Timed| matches!(&timed.note, Note::Executes { id: of, .. } if *of == id);
        if let Some(timed) = rest.next_if(|timed| executes(timed)) {
            self.names.read(&timed.note);
        }
        self.of(pid, id, &to);
    }

    /// What is sent to many at once is one fact.
    fn sent(
        &mut self,
        note: &Note,
        from: Sender,
        signal: Signal,
        what: What,
        rest: &mut Peekable<Iter<'_, Timed>>,
    ) {
        let to_nobody = signal == Signal::CHLD && what == What::Dropped
            || from == Sender::Kernel && what == What::Dead;
        if to_nobody {
            return;
        }
        let same = |note: &Note| matches!(note, Note::Sent { from: f, signal: s, what: w, .. } if (*f, *s, *w) == (from, signal, what));
        let mut whom = Vec::new();
        let mut name = |note: &Note| {
            if let Note::Sent { id, pid, .. } = note {
                let init = Some(*pid) == self.init;
                whom.push(if init { "init".into() } else { self.names.who(*pid, *id) });
            }
        };
        name(note);
        while let Some(timed) = rest.next_if(|timed| same(&timed.note)) {
            name(&timed.note);
        }
        let are = if whom.len() == 1 { "is" } else { "are" };
        let by = match (signal, from) {
            (Signal::CHLD, Sender::Kernel) => String::new(),
            _ => format!(" by {}", self.names.sender(from)),
        };
        let became = match what {
            What::Pending => "",
            What::Coalesced => ": pending already",
            What::Dropped => ": without effect",
            What::Continued => ", and runs again",
            What::Dying => ", dying already",
            What::Dead => ", dead already",
        };
        self.remark(&format!("{} {are} sent {signal}{by}{became}", whom.join(", ")));
    }
}
