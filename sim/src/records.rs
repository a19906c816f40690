//! `lastout-sim replay`: a record of a real life, or the moves of a scenario.

use std::io::{self, Write as _};
use std::path::Path;

use lastout_core::replay;
use lastout_sim::admits::{Premises, Verdict, admits};
use lastout_sim::explore::Counterexample;
use lastout_sim::scenario;
use lastout_sim::world::World;
use serde_json::json;

use super::{Done, load, read, tell};

/// Replays what is in that file. Is it all true?
pub(crate) fn replays(file: &Path, json: bool) -> Done {
    let text = read(file)?;
    if text.trim().is_empty() {
        return Err(format!("{}: it is empty", file.display()));
    }
    if !text.starts_with(scenario::HEAD) {
        return Ok(replays_record(file, &text, json));
    }
    let scenario = load(file, &text)?;
    if scenario.moves.is_empty() {
        let file = file.display();
        return Err(format!(
            "{file}: it has no moves; \"lastout-sim scenario {file}\" shows one life"
        ));
    }
    let setting = &scenario.setting;
    let mut world = World::new(setting);
    let mut choices = Vec::new();
    for (at, &choice) in scenario.moves.iter().enumerate() {
        world.choices(setting, &mut choices);
        if !choices.contains(&choice) {
            return Err(format!("{}: move {} ({choice}) is not possible", file.display(), at + 1));
        }
        let verdict = world.apply(setting, choice).and_then(|()| world.has_way_out(setting));
        if let Err(broken) = verdict {
            if json {
                let (law, why) = (broken.law.number(), &broken.why);
                say!("{}", json!({"moves": at + 1, "law": law, "why": why}));
                return Ok(false);
            }
            let path = scenario.moves[..=at].to_vec();
            tell(setting, &Counterexample { broken, path });
            return Ok(false);
        }
    }
    if json {
        say!("{}", json!({"moves": scenario.moves.len(), "law": null}));
    } else {
        say!("{} moves, and no law breaks", scenario.moves.len());
    }
    Ok(true)
}

/// First whether the machine would do the same, then whether there is such a life at all.
fn replays_record(file: &Path, text: &str, json: bool) -> bool {
    let told = replay::check(text);
    let verdict = match admits(text) {
        Ok(verdict) => verdict,
        Err(fault) => {
            if json {
                let row = json!({"machine": false, "line": fault.line, "why": fault.to_string()});
                say!("{row}");
            } else {
                say!("{}: {fault}", file.display());
            }
            return false;
        }
    };
    let (refused, gap, premises) = match verdict {
        Verdict::Admitted { premises } => (None, None, premises),
        Verdict::ToGap { line, premises, .. } => (None, Some(line), premises),
        Verdict::Refused { line, why, anyway } => {
            (Some((line, why, anyway)), None, Premises::default())
        }
    };
    let only_if: Vec<_> = premises.all().collect();
    if json {
        let code = told.ok().flatten();
        let (line, why) = (refused.map(|r| r.0), refused.map(|r| r.1.to_string()));
        say!(
            "{}",
            json!({"machine": true, "exit": code, "admitted": refused.is_none(), "line": line,
                "why": why, "gap": gap, "only_if": only_if})
        );
        return refused.is_none() && gap.is_none();
    }
    match told {
        Ok(Some(code)) => say!("every step is what the machine does; it leaves with {code}"),
        Ok(None) => say!("every step is what the machine does; the end is not told"),
        Err(fault) => say!("{}: {fault}", file.display()),
    }
    if let Some((line, why, anyway)) = refused {
        let show = |line: usize, why| {
            let step = text.lines().nth(line - 1).unwrap_or_default();
            say!("{}:{line}: {step:?}: {why}", file.display());
        };
        say!("the simulated world does not admit it: no life in it has this record");
        show(line, why);
        if let Some((line, why)) = anyway {
            say!("a debugger, or somebody whom lastout may not signal, would explain that, but");
            show(line, why);
        }
        return false;
    }
    let end = if gap.is_some() { " up to there" } else { "" };
    say!("the simulated world admits it{end}: there is a life with just this record");
    for premise in only_if {
        say!("  but only if {premise}");
    }
    gap.is_none()
}
