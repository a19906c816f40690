//! A scenario written as the text that [`super::parse()`] reads.

use std::fmt;

use super::parse::MOST_PROCESSES;
use super::{Claim, Expectation, HEAD, Scenario, policy};
use crate::engine::ShownScript;
use crate::kernel::Freezer;
use crate::machine::Kind;
use crate::program::Library;
use crate::setting::{Faults, Setting, Who};

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}")?;
        let remark = Some(&self.remark).filter(|remark| !remark.is_empty());
        for line in remark.into_iter().flat_map(|remark| remark.split('\n')) {
            writeln!(f, "{}", format!("# {line}").trim_end())?;
        }
        writeln!(f)?;
        write_setting(&self.setting, f)?;
        writeln!(f, "\n{}", self.setting.library.to_string().trim_end())?;
        for (at, expectation) in self.expectations.iter().enumerate() {
            let gap = if at == 0 { "\n" } else { "" };
            writeln!(f, "{gap}expect {}", expectation.shown(&self.setting.library))?;
        }
        if !self.moves.is_empty() {
            writeln!(f, "\nmoves")?;
        }
        self.moves.iter().try_for_each(|choice| writeln!(f, "    {choice}"))
    }
}

fn write_setting(setting: &Setting, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Setting {
        who,
        policy,
        stop_timeout,
        library,
        main,
        engine,
        faults,
        freezer,
        processes,
        forks,
        halves,
        prompt,
        // What a search looks at is no circumstance.
        judged: _,
        endings: _,
    } = setting;
    match who {
        Who::Init(Kind::Lastout) => writeln!(f, "init lastout")?,
        Who::Init(Kind::Mutant(mutant)) => writeln!(f, "init mutant {}", mutant.name())?,
        Who::Init(Kind::Peer(peer)) => writeln!(f, "init {}", peer.name())?,
        Who::Program(program) => writeln!(f, "init program {}", library.name(*program))?,
    }
    writeln!(f, "policy {}", policy::write(policy, *who, *stop_timeout))?;
    if let Some(span) = stop_timeout {
        writeln!(f, "stop-timeout {span}")?;
    }
    for script in engine {
        writeln!(f, "engine {}", ShownScript(script, library))?;
    }
    write_faults(faults, f)?;
    if *freezer == Freezer::V1 {
        writeln!(f, "freezer v1")?;
    }
    if *processes != MOST_PROCESSES {
        writeln!(f, "processes {processes}")?;
    }
    if let Some(forks) = forks {
        writeln!(f, "forks {forks}")?;
    }
    if *halves {
        writeln!(f, "halves")?;
    }
    if *prompt {
        writeln!(f, "prompt")?;
    }
    if *who != Who::Program(*main) {
        writeln!(f, "main {}", library.name(*main))?;
    }
    Ok(())
}

fn write_faults(faults: &Faults, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Faults {
        late,
        chld,
        eintr,
        fork,
        spawn,
        hang,
        tracer,
        lazy,
        eperm,
        stolen,
        inherited,
        forgetful,
        early,
    } = faults;
    if !late.is_zero() {
        writeln!(f, "fault late {late}")?;
    }
    for (name, count) in [
        ("chld", chld),
        ("eintr", eintr),
        ("fork", fork),
        ("hang", hang),
        ("tracer", tracer),
        ("stolen", stolen),
    ] {
        if *count > 0 {
            writeln!(f, "fault {name} {count}")?;
        }
    }
    if let Some(error) = spawn {
        writeln!(f, "fault spawn {error}")?;
    }
    for (name, is_on) in [
        ("lazy", lazy),
        ("eperm", eperm),
        ("inherited", inherited),
        ("forgetful", forgetful),
        ("early", early),
    ] {
        if *is_on {
            writeln!(f, "fault {name}")?;
        }
    }
    Ok(())
}

impl Expectation {
    /// As it stands behind `expect`.
    pub fn shown(&self, library: &Library) -> String {
        let name = |program: &u8| library.name(*program);
        let claim = match &self.claim {
            Claim::Exit(codes) => format!("exit {}", alternatives(codes)),
            Claim::Exits(who, codes) => format!("{} exit {}", name(who), alternatives(codes)),
            Claim::Killed(who, lastout_core::Signal::KILL) => format!("{} killed", name(who)),
            Claim::Killed(who, signal) => format!("{} killed {signal}", name(who)),
            Claim::Alive(who) => format!("{} alive", name(who)),
            Claim::GotTerm(who, true) => format!("{} got-term", name(who)),
            Claim::GotTerm(who, false) => format!("{} not-got-term", name(who)),
            Claim::Says(who, words) => {
                let words = words.iter().map(String::as_str);
                [name(who), "says"].into_iter().chain(words).collect::<Vec<_>>().join(" ")
            }
            Claim::NeverEnds => "never-ends".into(),
            Claim::LawsHold => "laws hold".into(),
            Claim::Breaks(law) => format!("breaks {law}"),
        };
        if self.sometimes { format!("sometimes {claim}") } else { claim }
    }
}

fn alternatives(codes: &[u8]) -> String {
    codes.iter().map(u8::to_string).collect::<Vec<_>>().join("|")
}
