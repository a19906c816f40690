//! Who descends from us: found out with one look at most processes, however deep the tree is.
//!
//! Of each pid it is kept what its process was found to be, and when. That holds for another time
//! only if the number still is that process's. Two rules tell, and both need no more than the
//! birth that /proc shows:
//!
//! * Whoever was born before a moment and has a number after it had that number at that moment:
//!   a number is given before the birth is noted, and kept for life. (So since Linux 5.0; pidfds,
//!   without which a number is all that there is, came with 5.3.)
//! * A parent is older than its child, also one that adopted it: it is an ancestor, another
//!   thread of one, or the PID 1 of the parent's namespace. So if the *child* was born before
//!   the moment at which its parent's number was looked at, the parent was there then.
//!
//! What somebody is stays true: who descends from us does so for life, if we adopt the orphans
//! among them, and nobody else ever becomes our descendant. Not a subreaper, we lose orphans:
//! then only strangers are kept, and each descendant's line is followed.
//!
//! /proc counts births in ticks of 10 ms, so "before" is an earlier tick. Whoever is too young for
//! the rules is climbed from, up to one for whom they hold; the clock is read again after every
//! climb, so that what it found holds for all but those who are born in the same tick. It is
//! taken for granted that no number is given twice in one tick.

use lastout_core::Pid;

use super::super::proc::Stat;

/// What is looked at.
pub(super) trait Look {
    /// What that process is like now; nothing, if it is gone or not shown.
    fn stat(&mut self, pid: Pid) -> Option<Stat>;
    /// The clock of [`Stat::born`], in ms.
    fn now(&mut self) -> u64;
}

/// How somebody stands to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kinship {
    /// A child, or below one.
    Descendant,
    /// Neither.
    Stranger,
    /// An ancestor ended while we followed the line: look again.
    Unclear,
}

/// What is kept of a pid, in one number. Above, who had it last; below, when that was found out
/// in ticks since the beginning, or while the line is followed the pid that we came from.
mod mark {
    /// It was sent the signal.
    pub(super) const ASKED: u32 = 1 << 31;
    pub(super) const WHO: u32 = 3 << 29;
    pub(super) const STRANGER: u32 = 1 << 29;
    pub(super) const DESCENDANT: u32 = 2 << 29;
    pub(super) const ON_THE_WAY: u32 = 3 << 29;
    pub(super) const REST: u32 = STRANGER - 1;
}

/// The numbers that [`Kin`] needs for what it keeps: one for each pid.
pub(super) const MARKS: usize = Pid::MAX as usize + 1;

/// The longest line of ancestors that is followed without marks: a race that shows us a circle
/// must end.
const MAX_ANCESTORS: u32 = 4096;

/// So often one may be adopted while its line is followed.
const MAX_ADOPTIONS: u32 = 64;

/// So many looks are taken by one reading of the clock.
const LOOKS_PER_READING: u32 = 32;

const MS_PER_TICK: u64 = 10;

/// Who is who, as far as it was looked at.
#[derive(Debug)]
pub(super) struct Kin<'m, L> {
    own: Pid,
    /// Orphans among our descendants are ours.
    adopts: bool,
    look: L,
    marks: Option<&'m mut [u32]>,
    /// The tick at the beginning.
    beginning: u64,
    /// A tick that is not over later than the last looks began.
    now: u64,
    looks: u32,
}

impl<'m, L: Look> Kin<'m, L> {
    /// Nobody is known yet. Without marks everybody's line is followed to its end.
    pub(super) fn new(own: Pid, adopts: bool, mut look: L, marks: Option<&'m mut [u32]>) -> Self {
        let beginning = look.now() / MS_PER_TICK;
        Self { own, adopts, look, marks, beginning, now: beginning, looks: 0 }
    }

    /// Is anything kept?
    pub(super) const fn has_marks(&self) -> bool {
        self.marks.is_some()
    }

    /// Does this number need no look: because it is ours or PID 1's, who is above everybody else, or
    /// was sent the signal?
    pub(super) fn is_settled(&self, pid: Pid) -> bool {
        pid == self.own || pid.number() == 1 || self.mark(pid) & mark::ASKED != 0
    }

    /// It has been sent the signal: whoever has the number now gets no other.
    pub(super) fn note_asked(&mut self, pid: Pid) {
        if let Some(mark) = self.mark_mut(pid) {
            *mark |= mark::ASKED;
        }
    }

    /// Was a stranger found by this number, and is it still that one's?
    pub(super) fn is_known_stranger(&mut self, pid: Pid) -> bool {
        if self.mark(pid) & mark::WHO != mark::STRANGER {
            return false;
        }
        let born = self.stat(pid).map(|stat| stat.born);
        born.is_some_and(|born| self.marked(pid, born) == Some(Kinship::Stranger))
    }

    /// How the process stands to us that has that pid now, and what it is like. Nothing, if it has
    /// ended: whoever is gone or as good as gone needs no signal.
    pub(super) fn of(&mut self, pid: Pid) -> Option<(Kinship, Stat)> {
        if self.looks >= LOOKS_PER_READING {
            self.now = self.look.now() / MS_PER_TICK;
            self.looks = 0;
        }
        let stat = self.stat(pid).filter(Stat::is_alive)?;
        Some((self.climb(pid, stat), stat))
    }

    fn stat(&mut self, pid: Pid) -> Option<Stat> {
        self.looks += 1;
        self.look.stat(pid)
    }

    /// Follows the line up to one whose kinship is known, and then marks everybody on the way.
    fn climb(&mut self, pid: Pid, mut stat: Stat) -> Kinship {
        let (mut at, mut steps, mut adoptions) = (pid, 0, 0);
        self.pass(pid, pid);
        let found = loop {
            let parent = match self.parent(&stat) {
                Ok(kinship) => break kinship,
                Err(parent) => parent,
            };
            let above = self.stat(parent);
            if !above.is_some_and(|above| is_before(above.born, self.now)) {
                // Gone, or so young that it may be another who got the number: but not if it
                // still is the parent after we have looked at it.
                match self.stat(at).filter(|again| again.born == stat.born) {
                    Some(again) if again.parent == stat.parent => (),
                    // Adopted meanwhile.
                    Some(again) if adoptions < MAX_ADOPTIONS => {
                        adoptions += 1;
                        stat = again;
                        continue;
                    }
                    _ => break Kinship::Unclear,
                }
            }
            let Some(above) = above else {
                break Kinship::Unclear;
            };
            if let Some(kinship) = self.marked(parent, above.born) {
                break kinship;
            }
            steps += 1;
            let is_circle = !self.pass(parent, at);
            if is_circle || (!self.has_marks() && steps > MAX_ANCESTORS) {
                break Kinship::Unclear;
            }
            (at, stat) = (parent, above);
        };
        self.leave(at, found);
        found
    }

    /// What that process is, if it is known of its parent what that is; or who the parent is.
    fn parent(&self, child: &Stat) -> Result<Kinship, Pid> {
        match Pid::new(child.parent) {
            Some(parent) if parent == self.own => Ok(Kinship::Descendant),
            Some(parent) if parent.number() > 1 => self.marked(parent, child.born).ok_or(parent),
            // PID 1's, or of one outside.
            _ => Ok(Kinship::Stranger),
        }
    }

    /// What the mark of that pid says, if it was there at a time for which the mark holds: it, or
    /// a child of its, was born at `born`.
    fn marked(&self, pid: Pid, born: u64) -> Option<Kinship> {
        let mark = self.mark(pid);
        let kinship = match mark & mark::WHO {
            mark::DESCENDANT => Kinship::Descendant,
            mark::STRANGER => Kinship::Stranger,
            _ => return None,
        };
        let found = self.beginning + u64::from(mark & mark::REST);
        is_before(born, found).then_some(kinship)
    }

    fn mark(&self, pid: Pid) -> u32 {
        let marks = self.marks.as_deref();
        marks.and_then(|marks| marks.get(pid.number() as usize)).map_or(0, |&mark| mark)
    }

    fn mark_mut(&mut self, pid: Pid) -> Option<&mut u32> {
        self.marks.as_deref_mut()?.get_mut(pid.number() as usize)
    }

    /// Passes `pid` on the way up from `from`. False: we have been here, in a circle.
    fn pass(&mut self, pid: Pid, from: Pid) -> bool {
        let Some(mark) = self.mark_mut(pid) else {
            return true;
        };
        if *mark & mark::WHO == mark::ON_THE_WAY {
            return false;
        }
        *mark = *mark & mark::ASKED | mark::ON_THE_WAY | from.number();
        true
    }

    /// Goes back down from `at`, and marks everybody on the way as that.
    fn leave(&mut self, mut at: Pid, found: Kinship) {
        let ticks = u32::try_from(self.now.saturating_sub(self.beginning)).unwrap_or(mark::REST);
        // Later than that is not kept: then it was found out earlier, which is true as well.
        let ticks = ticks.min(mark::REST);
        let new = match found {
            Kinship::Descendant if self.adopts => mark::DESCENDANT | ticks,
            Kinship::Stranger => mark::STRANGER | ticks,
            Kinship::Descendant | Kinship::Unclear => 0,
        };
        while let Some(mark) = self.mark_mut(at) {
            let from = *mark & mark::REST;
            *mark = *mark & mark::ASKED | new;
            match Pid::new(from) {
                Some(from) if from != at => at = from,
                _ => break,
            }
        }
    }
}

/// Was somebody who was born at `born`, in ms, there before that tick? Births that a /proc does not
/// tell are 0.
const fn is_before(born: u64, tick: u64) -> bool {
    born != 0 && born / MS_PER_TICK < tick
}

#[cfg(test)]
mod tests;
