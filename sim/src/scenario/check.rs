//! Is everything so that a scenario expects? By all that can come of it.

use std::fmt;

use super::{Claim, Expectation, Scenario};
use crate::explore::{Explored, Outcome, survey};
use crate::kernel::{Ending, Fate};
use crate::program::Library;
use crate::setting::Setting;
use crate::world::{Choice, World};

/// The most states that a scenario may have: a scenario shows something, and what has more shows
/// nothing to anybody. So many take a minute.
pub const MOST_STATES: u64 = 5_000_000;

/// Everything is as expected; so much was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// The states that were searched.
    pub states: u64,
    /// The different ends that lives have.
    pub outcomes: usize,
}

/// Something is not as expected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The line of the expectation; 0: it is not about one.
    pub line: usize,
    /// The expectation.
    pub expected: String,
    /// What is so instead.
    pub why: String,
    /// A shortest way to a life that contradicts, if one can contradict.
    pub path: Vec<Choice>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: expect {}: ", self.line, self.expected)?;
        }
        f.write_str(&self.why)?;
        if !self.path.is_empty() {
            f.write_str("\nmoves")?;
        }
        self.path.iter().try_for_each(|choice| write!(f, "\n    {choice}"))
    }
}

impl std::error::Error for Failure {}

/// Searches everything that can come of a scenario, and compares. What becomes of processes is
/// looked for in lives that go on whatever law they break; the laws are judged in a search of
/// their own.
///
/// # Errors
/// The first expectation that does not hold; or there are too many states to know.
pub fn check(scenario: &Scenario) -> Result<Report, Failure> {
    possible_moves(scenario)?;
    let is_about_laws = |e: &&Expectation| matches!(e.claim, Claim::LawsHold | Claim::Breaks(_));
    let (laws, lives): (Vec<_>, Vec<_>) = scenario.expectations.iter().partition(is_about_laws);
    let mut report = Report { states: 0, outcomes: 0 };
    let library = &scenario.setting.library;
    if !lives.is_empty() {
        let setting = Setting { judged: false, endings: true, ..scenario.setting.clone() };
        let found = searched(&setting, &mut report)?;
        report.outcomes = found.outcomes.len();
        lives.iter().try_for_each(|expectation| judge(expectation, &found, library))?;
    }
    if !laws.is_empty() {
        let setting = Setting { judged: true, endings: false, ..scenario.setting.clone() };
        let found = searched(&setting, &mut report)?;
        judge_laws(&laws, &found, library)?;
    }
    Ok(report)
}

fn searched(setting: &Setting, report: &mut Report) -> Result<Explored, Failure> {
    let found = survey(setting, MOST_STATES);
    report.states += found.states;
    if found.complete {
        return Ok(found);
    }
    Err(Failure {
        line: 0,
        expected: String::new(),
        why: format!("more than {MOST_STATES} states: nobody knows; make it smaller"),
        path: Vec::new(),
    })
}

/// The moves in the text must be possible, or it shows no life.
fn possible_moves(scenario: &Scenario) -> Result<(), Failure> {
    let setting = Setting { judged: false, ..scenario.setting.clone() };
    let mut world = World::new(&setting);
    let mut choices = Vec::new();
    for (at, choice) in scenario.moves.iter().enumerate() {
        world.choices(&setting, &mut choices);
        if !choices.contains(choice) {
            return Err(Failure {
                line: 0,
                expected: String::new(),
                why: format!("move {}, \"{choice}\", is not possible there", at + 1),
                path: scenario.moves[..at].to_vec(),
            });
        }
        let verdict = world.apply(&setting, *choice);
        debug_assert_eq!(verdict, Ok(()), "laws are not judged");
    }
    Ok(())
}

fn failure(
    expectation: &Expectation,
    library: &Library,
    why: impl Into<String>,
    path: &[Choice],
) -> Failure {
    Failure {
        line: expectation.line.0,
        expected: expectation.shown(library),
        why: why.into(),
        path: path.to_vec(),
    }
}

fn judge_laws(laws: &[&Expectation], found: &Explored, library: &Library) -> Result<(), Failure> {
    for expectation in laws {
        match &expectation.claim {
            Claim::Breaks(law) if !found.breaks.contains_key(law) => {
                let others: Vec<_> = found.breaks.keys().map(|law| law.number()).collect();
                let why = match others[..] {
                    [] => "no life breaks any law".into(),
                    _ => format!("no life does; broken are {}", others.join(", ")),
                };
                return Err(failure(expectation, library, why, &[]));
            }
            _ => (),
        }
    }
    for (law, example) in &found.breaks {
        let named = laws.iter().any(|e| e.claim == Claim::Breaks(*law));
        let denied = laws.iter().find(|e| e.claim == Claim::LawsHold);
        if let Some(expectation) = denied.or(laws.first().filter(|_| !named)) {
            let why = format!("one life breaks {}", example.broken);
            return Err(failure(expectation, library, why, &example.path));
        }
    }
    Ok(())
}

fn judge(expectation: &Expectation, found: &Explored, library: &Library) -> Result<(), Failure> {
    let lives = || found.outcomes.iter();
    if expectation.claim == Claim::NeverEnds {
        let ended = lives().filter(|(outcome, _)| outcome.init != Fate::Alive);
        return match ended.min_by_key(|(_, path)| path.len()) {
            None => Ok(()),
            Some((outcome, path)) => {
                Err(failure(expectation, library, tell(outcome, library), path))
            }
        };
    }
    if found.outcomes.is_empty() {
        return Err(failure(expectation, library, "no life ever ends", &[]));
    }
    if let Some(program) = expectation.claim.subject()
        && !lives().any(|(outcome, _)| outcome.endings_of(program).next().is_some())
    {
        let why = format!("no life has a process that executes {:?}", library.name(program));
        return Err(failure(expectation, library, why, &[]));
    }
    let holds = |outcome: &Outcome| match (&expectation.claim, expectation.claim.subject()) {
        (Claim::Exit(codes), _) => {
            matches!(code(outcome.init), Some(code) if codes.contains(&code))
        }
        (claim, Some(program)) if expectation.sometimes => {
            outcome.endings_of(program).any(|ending| claim.holds_for(ending))
        }
        (claim, Some(program)) => outcome.endings_of(program).all(|ending| claim.holds_for(ending)),
        (_, None) => true,
    };
    if expectation.sometimes {
        if lives().any(|(outcome, _)| holds(outcome)) {
            return Ok(());
        }
        let first = lives().min_by_key(|(_, path)| path.len());
        let (outcome, path) = first.expect("there is one, as was seen above");
        let why = format!("no life does; one of them: {}", tell(outcome, library));
        return Err(failure(expectation, library, why, path));
    }
    match lives().filter(|(outcome, _)| !holds(outcome)).min_by_key(|(_, path)| path.len()) {
        None => Ok(()),
        Some((outcome, path)) => Err(failure(expectation, library, tell(outcome, library), path)),
    }
}

impl Claim {
    /// The program that it is about.
    fn subject(&self) -> Option<u8> {
        match self {
            Self::Exits(program, _)
            | Self::Killed(program, _)
            | Self::Alive(program)
            | Self::GotTerm(program, _)
            | Self::Says(program, _) => Some(*program),
            Self::Exit(_) | Self::NeverEnds | Self::LawsHold | Self::Breaks(_) => None,
        }
    }

    fn holds_for(&self, ending: &Ending) -> bool {
        match self {
            Self::Exits(_, codes) => {
                matches!(ending.fate, Fate::Exited(code) if codes.contains(&code))
            }
            Self::Killed(_, signal) => ending.fate == Fate::Killed(*signal),
            Self::Alive(_) => ending.fate == Fate::Alive,
            Self::GotTerm(_, got) => ending.got_term == *got,
            Self::Says(_, words) => ending.said == *words,
            Self::Exit(_) | Self::NeverEnds | Self::LawsHold | Self::Breaks(_) => true,
        }
    }
}

impl Outcome {
    /// The ends of the processes that executed that program.
    fn endings_of(&self, program: u8) -> impl Iterator<Item = &Ending> {
        self.endings.iter().filter(move |ending| ending.program == program)
    }
}

/// The exit code that stands for a fate.
fn code(fate: Fate) -> Option<u8> {
    match fate {
        Fate::Exited(code) => Some(code),
        Fate::Killed(signal) => Some(128 + signal.number()),
        Fate::Alive => None,
    }
}

/// How a life ended, in words.
fn tell(outcome: &Outcome, library: &Library) -> String {
    let mut text = match outcome.init {
        Fate::Exited(code) => format!("in a life that ends with {code}"),
        Fate::Killed(signal) => format!("in a life in which {signal} kills init"),
        Fate::Alive => "in a life in which nobody ever moves again".to_owned(),
    };
    for ending in &outcome.endings {
        let fate = match ending.fate {
            Fate::Exited(code) => format!("exit {code}"),
            Fate::Killed(signal) => format!("killed {signal}"),
            Fate::Alive => "alive".to_owned(),
        };
        let got = if ending.got_term { "got-term" } else { "not-got-term" };
        text += &["\n    ", library.name(ending.program), ": ", &fate, ", ", got].concat();
        if !ending.said.is_empty() {
            text += &[", says ", &ending.said.join(" ")].concat();
        }
    }
    text
}
