//! A text read as a scenario: first its lines by their first words, in whatever order they stand,
//! then what they mean, which needs the programs first.

use lastout_core::{Millis, Signal};

use super::{Claim, Expectation, HEAD, Scenario, policy};
use crate::engine;
use crate::kernel::{Freezer, Unhashed};
use crate::laws::Law;
use crate::machine::Kind;
use crate::mutant::Mutant;
use crate::peer::Peer;
use crate::program::{self, Fault, Library};
use crate::setting::{Faults, Setting, Who};
use crate::world::Choice;

/// The words that a line can begin with.
const WORDS: [&str; 14] = [
    "init",
    "policy",
    "stop-timeout",
    "engine",
    "fault",
    "freezer",
    "processes",
    "forks",
    "halves",
    "prompt",
    "main",
    "program",
    "expect",
    "moves",
];

/// What an expectation can begin with in place of a program's name.
const RESERVED: [&str; 5] = ["sometimes", "exit", "never-ends", "laws", "breaks"];

/// A line: its number, and what stands behind its first word.
type Line<'t> = (usize, &'t str);

/// The lines by their first words.
#[derive(Default)]
struct Draft<'t> {
    remark: Vec<&'t str>,
    init: Option<Line<'t>>,
    policy: Option<Line<'t>>,
    stop_timeout: Option<Line<'t>>,
    engine: Vec<Line<'t>>,
    faults: Vec<Line<'t>>,
    freezer: Option<Line<'t>>,
    processes: Option<Line<'t>>,
    forks: Option<Line<'t>>,
    halves: Option<Line<'t>>,
    prompt: Option<Line<'t>>,
    main: Option<Line<'t>>,
    /// Whole lines.
    programs: Vec<Line<'t>>,
    expectations: Vec<Line<'t>>,
    /// Whole lines.
    moves: Option<Vec<Line<'t>>>,
}

fn fault<T>(line: usize, what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { line, what: what.into() })
}

/// Says on which line it is.
fn on<T>((line, _): Line<'_>, result: Result<T, String>) -> Result<T, Fault> {
    result.map_err(|what| Fault { line, what })
}

/// Reads a scenario.
///
/// # Errors
/// The first line that is wrong, with what would be right.
pub fn parse(text: &str) -> Result<Scenario, Fault> {
    let draft = sort(text)?;
    let mut library = Library::default();
    program::parse_into(&mut library, &draft.programs)?;
    for &(line, text) in &draft.programs {
        let mut words = text.split_ascii_whitespace();
        if let (Some("program"), Some(name)) = (words.next(), words.next())
            && RESERVED.contains(&name)
        {
            return fault(
                line,
                format!("{name:?} means something else to \"expect\": no program's name"),
            );
        }
    }
    if library.programs.is_empty() {
        return fault(1, "there is no program: \"program NAME\", and its instructions below");
    }
    let setting = setting(&draft, library)?;
    let mut expectations = Vec::new();
    for &line in &draft.expectations {
        let expectation = on(line, expectation(line, &setting.library))?;
        if let (Claim::LawsHold | Claim::Breaks(_), Who::Program(_)) =
            (&expectation.claim, setting.who)
        {
            return fault(line.0, "the laws are an init's, and here is none");
        }
        expectations.push(expectation);
    }
    let mut moves = Vec::new();
    for &line in draft.moves.as_deref().unwrap_or_default() {
        moves.push(on(line, line.1.parse::<Choice>())?);
    }
    Ok(Scenario { remark: draft.remark.join("\n"), setting, expectations, moves })
}

fn sort(text: &str) -> Result<Draft<'_>, Fault> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line)).peekable();
    if lines.next().is_none_or(|(_, line)| line.trim_end() != HEAD) {
        return fault(1, format!("the first line should be {HEAD:?}"));
    }
    let mut draft = Draft::default();
    while let Some((_, line)) = lines.next_if(|(_, line)| line.starts_with('#')) {
        draft.remark.push(line.strip_prefix("# ").unwrap_or(&line[1..]).trim_end());
    }
    let mut in_program = false;
    for (number, whole) in lines {
        let text = whole.trim();
        if text.is_empty() {
            continue;
        }
        if text.contains('#') {
            return fault(number, "a remark is kept only under the first line: write it there");
        }
        if let Some(moves) = &mut draft.moves {
            moves.push((number, text));
            continue;
        }
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let line = (number, rest.trim());
        let is_known = WORDS.contains(&word);
        if is_known {
            in_program = word == "program";
        }
        let slot = match word {
            _ if in_program => {
                draft.programs.push((number, text));
                continue;
            }
            "init" => &mut draft.init,
            "policy" => &mut draft.policy,
            "stop-timeout" => &mut draft.stop_timeout,
            "freezer" => &mut draft.freezer,
            "processes" => &mut draft.processes,
            "forks" => &mut draft.forks,
            "halves" => &mut draft.halves,
            "prompt" => &mut draft.prompt,
            "main" => &mut draft.main,
            "engine" => {
                draft.engine.push(line);
                continue;
            }
            "fault" => {
                draft.faults.push(line);
                continue;
            }
            "expect" => {
                draft.expectations.push(line);
                continue;
            }
            "moves" => {
                draft.moves = Some(Vec::new());
                continue;
            }
            _ => {
                let words = WORDS.join(", ");
                return fault(number, format!("{word:?} begins no line; {words} do"));
            }
        };
        if let Some((before, _)) = slot.replace(line) {
            return fault(number, format!("a second {word:?}; the first is on line {before}"));
        }
    }
    Ok(draft)
}

fn setting(draft: &Draft<'_>, library: Library) -> Result<Setting, Fault> {
    let find =
        |name: &str| library.find(name).ok_or_else(|| format!("there is no program {name:?}"));
    let Some(init) = draft.init else {
        return fault(
            1,
            "who is init? \"init lastout\", or tini, \"mutant NAME\", \"program NAME\"",
        );
    };
    let who = on(init, who(init.1, find))?;
    let main = match (draft.main, who) {
        (Some(line), _) => on(line, find(line.1))?,
        (None, Who::Program(program)) => program,
        (None, Who::Init(_)) => 0,
    };
    let stop_timeout = match draft.stop_timeout {
        None => None,
        Some(line) => Some(on(line, time(line.1))?),
    };
    let words = draft.policy.or(draft.stop_timeout).unwrap_or(init);
    let policy =
        on(words, policy::read(draft.policy.map_or("", |line| line.1), who, stop_timeout))?;
    let mut engine = Vec::new();
    for &line in &draft.engine {
        engine.push(on(line, engine::parse(line.1, &library))?);
    }
    let mut faults = Faults::default();
    for &line in &draft.faults {
        on(line, set_fault(&mut faults, line.1))?;
    }
    let freezer = match draft.freezer {
        None => Freezer::default(),
        Some((_, "v1")) => Freezer::V1,
        Some((_, "v2")) => Freezer::V2,
        Some((line, word)) => return fault(line, format!("{word:?} should be v1 or v2")),
    };
    let processes = match draft.processes {
        None => MOST_PROCESSES,
        Some(line) => on(line, number(line.1))?,
    };
    Ok(Setting {
        who,
        policy,
        stop_timeout,
        library,
        main,
        engine,
        faults,
        freezer,
        processes,
        forks: draft.forks.map(|line| on(line, number(line.1))).transpose()?,
        halves: alone("halves", draft.halves)?,
        prompt: alone("prompt", draft.prompt)?,
        judged: true,
        endings: false,
    })
}

/// As [`Setting::new`] has it.
pub(super) const MOST_PROCESSES: u16 = 64;

fn alone(word: &str, line: Option<Line<'_>>) -> Result<bool, Fault> {
    match line {
        Some((line, rest)) if !rest.is_empty() => {
            fault(line, format!("{rest:?} after {word:?}, which stands alone"))
        }
        _ => Ok(line.is_some()),
    }
}

fn who(text: &str, find: impl Fn(&str) -> Result<u8, String>) -> Result<Who, String> {
    let kind = match text.split_once(' ') {
        None if text == "lastout" => Kind::Lastout,
        Some(("program", name)) => return find(name.trim()).map(Who::Program),
        Some(("mutant", name)) => {
            let mutant = Mutant::find(name.trim());
            Kind::Mutant(mutant.ok_or_else(|| format!("there is no mutant {name:?}"))?)
        }
        _ => Kind::Peer(Peer::find(text).ok_or_else(|| {
            let peers: Vec<_> = Peer::ALL.iter().map(|peer| peer.name()).collect();
            format!("{text:?} is no init: lastout, mutant NAME, program NAME, {}", peers.join(", "))
        })?),
    };
    Ok(Who::Init(kind))
}

fn time(word: &str) -> Result<Millis, String> {
    Millis::parse(word)
        .ok_or_else(|| format!("{word:?} is no time; write it like 1500ms, 5s or 2m"))
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("{word:?} is no number that fits here"))
}

fn set_fault(faults: &mut Faults, text: &str) -> Result<(), String> {
    let (name, value) =
        text.split_once(' ').map_or((text, ""), |(name, value)| (name, value.trim()));
    let flag = |flag: &mut bool| {
        *flag = true;
        if value.is_empty() {
            Ok(())
        } else {
            Err(format!("{value:?} after {name:?}, which stands alone"))
        }
    };
    match name {
        "late" => faults.late = time(value)?,
        "chld" => faults.chld = number(value)?,
        "eintr" => faults.eintr = number(value)?,
        "fork" => faults.fork = number(value)?,
        "hang" => faults.hang = number(value)?,
        "tracer" => faults.tracer = number(value)?,
        "stolen" => faults.stolen = number(value)?,
        "spawn" => {
            faults.spawn = Some(value.parse().map_err(|error| format!("{value:?}: {error}"))?);
        }
        "lazy" => flag(&mut faults.lazy)?,
        "eperm" => flag(&mut faults.eperm)?,
        "inherited" => flag(&mut faults.inherited)?,
        "forgetful" => flag(&mut faults.forgetful)?,
        "early" => flag(&mut faults.early)?,
        _ => {
            return Err(format!(
                "{name:?} is no fault: late TIME, spawn WHY, lazy, eperm, inherited, forgetful, early, or \
                 with how often at most: chld, eintr, fork, hang, tracer, stolen"
            ));
        }
    }
    Ok(())
}

/// `0|143`
fn codes(word: &str) -> Result<Vec<u8>, String> {
    word.split('|')
        .map(|code| code.parse().map_err(|_| format!("{code:?} is no exit code from 0 to 255")))
        .collect()
}

fn expectation((line, text): Line<'_>, library: &Library) -> Result<Expectation, String> {
    let mut words: Vec<_> = text.split_ascii_whitespace().collect();
    let sometimes = words.first() == Some(&"sometimes");
    if sometimes {
        words.remove(0);
    }
    let claim = match words[..] {
        ["exit", word] => Claim::Exit(codes(word)?),
        ["never-ends" | "laws" | "breaks", ..] if sometimes => {
            return Err(format!("{:?} is about all lives: no \"sometimes\"", words[0]));
        }
        ["never-ends"] => Claim::NeverEnds,
        ["laws", "hold"] => Claim::LawsHold,
        ["breaks", number] => {
            let law = Law::ALL.iter().copied().find(|law| law.number() == number);
            Claim::Breaks(law.ok_or_else(|| format!("{number:?} is no law: S1 to S11, L1 to L4"))?)
        }
        [name, ref rest @ ..] if !RESERVED.contains(&name) => {
            let program = library.find(name);
            let program = program.ok_or_else(|| format!("there is no program {name:?}"))?;
            match *rest {
                ["exit", word] => Claim::Exits(program, codes(word)?),
                ["killed"] => Claim::Killed(program, Signal::KILL),
                ["killed", word] => {
                    let signal = Signal::parse(word);
                    let signal = signal.ok_or_else(|| format!("{word:?} is no signal"))?;
                    Claim::Killed(program, signal)
                }
                ["alive"] => Claim::Alive(program),
                ["got-term"] => Claim::GotTerm(program, true),
                ["not-got-term"] => Claim::GotTerm(program, false),
                ["says", ref words @ ..] => {
                    Claim::Says(program, words.iter().map(|&word| word.to_owned()).collect())
                }
                _ => {
                    return Err(format!(
                        "what of {name:?}? exit CODE|…, killed [SIG], alive, got-term, \
                         not-got-term, says WORD…"
                    ));
                }
            }
        }
        _ => {
            return Err(format!(
                "{text:?} is no expectation: exit CODE|…, NAME …, never-ends, laws hold, breaks LAW"
            ));
        }
    };
    Ok(Expectation { line: Unhashed(line), sometimes, claim })
}
