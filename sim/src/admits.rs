//! Could a record of a real life have been made in the simulated world?
//!
//! A record tells what a kernel answered to an init. [`lastout_core::replay`] compares what the
//! init did about it; this asks whether the simulated kernel can give those answers. If it cannot,
//! then either the record is not true, or Linux does something that the simulation does not
//! know, and the laws were proved in a world that is too small.
//!
//! The init's side of the record is lived again by the same code as every simulated life. The
//! side of the others is open: they have no programs, and do whatever a program, an engine or
//! anybody outside could have done so that the record comes true (`admits/stage.rs`). What was necessary
//! before it was told is looked up beforehand (`admits/plan.rs`); for the rest, nobody does anything before
//! the record needs it.
//!
//! So "admitted" is certain: there was a life in the simulated world that has just this record.
//! "Refused" is as good as the plan: it names the first line without which the record would
//! still have been admitted.

mod plan;
mod stage;

use std::fmt;

use lastout_core::replay::{self, Fault, FaultKind, Line};
use lastout_core::{Entry, Event, Pid, Policy, Signal};

use plan::Told;
use stage::Stage;

/// What the world says of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// There is such a life.
    Admitted {
        /// If more is assumed than usually is.
        premises: Premises,
    },
    /// There is such a life up to that line. Behind it lines are missing, and nothing is known.
    ToGap {
        /// The line of the gap, from 1.
        line: usize,
        /// How many are missing.
        lost: u32,
        /// As above.
        premises: Premises,
    },
    /// There is none, whatever is assumed.
    Refused {
        /// The first line that cannot be, from 1, if nothing is assumed.
        line: usize,
        /// Why.
        why: Why,
        /// The first one that cannot be whatever is assumed, and why, if it is another one.
        anyway: Option<(usize, Why)>,
    },
}

/// What is assumed only if there is no other way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Premises {
    /// Somebody was dead when KILL or CONT reached it, and its zombie was seen only later: held by
    /// a debugger (K39). Where dying takes time, as on a real machine (K107), that looks the same:
    /// from the beginning of its exit a child has no continuation to tell any more, and to its end no
    /// death.
    pub held: bool,
    /// Init was not allowed to signal its children, which belong to another user (K66).
    pub denied: bool,
}

impl Premises {
    /// Those that are tried, the fewest first.
    const ALL: [Self; 4] = [
        Self { held: false, denied: false },
        Self { held: true, denied: false },
        Self { held: false, denied: true },
        Self { held: true, denied: true },
    ];

    /// Each in words.
    pub fn all(self) -> impl Iterator<Item = &'static str> {
        let held = "somebody who was dead when KILL or CONT came was seen dead only later: a debugger \
                    held the zombie (K39), or dying took its time (K107)";
        let denied = "lastout was not allowed to signal its children, which are another user's \
                      (K66)";
        [(self.held, held), (self.denied, denied)].into_iter().filter(|p| p.0).map(|p| p.1)
    }
}

/// Why a line cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// Whatever the others did, this would have been the answer.
    Answers(Event),
    /// The number is somebody else's.
    InUse(Pid),
    /// There was nobody left whose child it could have been.
    NobodysChild(Pid),
    /// Nobody can wait for, or be held before, that signal (K18).
    NeverTaken(Signal),
    /// No alarm was armed.
    NoAlarm,
    /// Nobody dies of that signal.
    KillsNobody(Signal),
    /// Nobody who dies of that signal leaves a core dump.
    NoCore(Signal),
    /// Nobody is stopped by that signal.
    StopsNobody(Signal),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answers(event) => write!(f, "the kernel would have answered: {event}"),
            Self::InUse(pid) => write!(f, "the number {pid} was somebody else's"),
            Self::NobodysChild(pid) => write!(f, "nobody was left whose child {pid} could be"),
            Self::NeverTaken(signal) => write!(f, "{signal} cannot be waited for"),
            Self::NoAlarm => f.write_str("no alarm was armed"),
            Self::KillsNobody(signal) => write!(f, "{signal} kills nobody"),
            Self::NoCore(signal) => write!(f, "a death by {signal} leaves no core dump"),
            Self::StopsNobody(signal) => write!(f, "{signal} stops nobody"),
        }
    }
}

/// Could this record have been made in the simulated world?
///
/// # Errors
/// What [`replay::check`] finds: then it is no record of this init. A gap is no error.
pub fn admits(record: &str) -> Result<Verdict, Box<Fault<'_>>> {
    let gap = match replay::check(record) {
        Ok(_) => None,
        Err(Fault { line, kind: FaultKind::Gap(lost), .. }) => Some((line, lost)),
        Err(fault) => return Err(Box::new(fault)),
    };
    let (policy, told) = read(record, gap.map(|(line, _)| line));
    let Some(policy) = policy else {
        // Nothing is told: of the first line not even the end was written.
        return Ok(Verdict::Admitted { premises: Premises::default() });
    };
    let lived = |premises: &&Premises| lives(&policy, &told, **premises).is_ok();
    let Some(&premises) = Premises::ALL.iter().find(lived) else {
        return Ok(refusal(&policy, &told));
    };
    Ok(match gap {
        None => Verdict::Admitted { premises },
        Some((line, lost)) => Verdict::ToGap { line, lost, premises },
    })
}

/// The steps that are told: all of them, or those before that line.
fn read(record: &str, until: Option<usize>) -> (Option<Policy>, Vec<Told>) {
    let (mut policy, mut told, mut line) = (None, Vec::new(), 0);
    // Of the last line there may be only the beginning, and that may look like another line.
    let last = record.lines().count();
    let is_whole = |line, entry: Entry| {
        line < last || record.lines().next_back().is_some_and(|text| text == entry.to_string())
    };
    // What is not there to its end is an error here and none of the record's.
    let _ = replay::rewrite(record, |read| {
        line += 1;
        match read {
            Line::Policy(told) => policy = Some(told),
            Line::Entry(entry)
                if until.is_none_or(|until| line < until) && is_whole(line, entry) =>
            {
                told.push(Told { line, entry });
            }
            Line::Entry(_) | Line::Remark(_) => (),
        }
    });
    (policy, told)
}

fn lives(policy: &Policy, told: &[Told], premises: Premises) -> Result<(), (usize, Why)> {
    Stage::new(policy, told, told.len(), premises).lives()
}

fn refusal(policy: &Policy, told: &[Told]) -> Verdict {
    let first = |premises: Premises| {
        let (at, why) = first_refused(policy, told, premises).expect("it is refused");
        (told[at].line, why)
    };
    let (line, why) = first(Premises::default());
    let further = |best: (usize, Why), other: (usize, Why)| {
        if other.0 > best.0 { other } else { best }
    };
    let anyway = Premises::ALL.into_iter().map(first).fold((line, why), further);
    Verdict::Refused { line, why, anyway: Some(anyway).filter(|anyway| anyway.0 > line) }
}

/// The first step with which the record is refused: not the one at which the life comes to a
/// halt, because a plan looks ahead, and may spoil what comes before in vain.
fn first_refused(policy: &Policy, told: &[Told], premises: Premises) -> Option<(usize, Why)> {
    let refused = |steps: usize| lives(policy, &told[..steps], premises).err();
    // The first so many are admitted, and the first so many are not.
    let (mut good, why) = refused(told.len())?;
    let (mut bad, mut stride) = (good + 1, 1);
    while bad < told.len() && refused(bad).is_none() {
        good = bad;
        bad = (bad + stride).min(told.len());
        stride *= 2;
    }
    while bad - good > 1 {
        let middle = usize::midpoint(good, bad);
        if refused(middle).is_some() {
            bad = middle;
        } else {
            good = middle;
        }
    }
    // What would the kernel have said to it, with all that was before it as it was?
    let alone = Stage::new(policy, &told[..bad], good, premises).lives();
    let why = match alone {
        Err((at, why)) if at == good => why,
        _ => refused(bad).map_or(why, |(_, why)| why),
    };
    Some((good, why))
}
