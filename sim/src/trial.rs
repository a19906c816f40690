//! Trials: inits with mistakes, and other inits, before the same laws in the same worlds. A net
//! that catches no fish proves nothing about the sea.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::num::NonZeroU8;

use lastout_core::{Graces, Millis, Policy, Role, Wishes};

use crate::engine;
use crate::explore::{Counterexample, explore, survey};
use crate::laws::Law;
use crate::machine::Kind;
use crate::mutant::Mutant;
use crate::peer::Peer;
use crate::program;
use crate::setting::{Setting, Who};
use crate::workload;

/// The most states of one world of a trial.
const MOST: u64 = 60_000;

/// Systems in which a mistake shows, that no world of [`workload::ANY`] has.
const PROGRAMS: &str = "\
program slow
    on TERM goto end; spawn stubborn; pause
  end: sleep 30ms; exit 0

program stubborn
    on TERM ignore
  idle: pause; goto idle

program deaf
    on TERM ignore; on INT ignore
  idle: pause; goto idle

program stuck
    spawn hanging; exit 0

program hanging
    hang

program busy
    spawn sleeper; spawn worker; exit 3

program sleeper
    kill self STOP; exit 0

program worker
    on TERM goto save
  idle: pause; goto idle
  save: work 2; exit 0

program bearing
    spawn breeder; exit 0

program breeder
    on TERM ignore
  idle: either rest fork
    rest: pause; goto idle
    fork: spawn deaf; pause

program standing
    on TERM goto stop; daemon quick; daemon quick; pause
  stop: kill self STOP; exit 3

program quick
    exit 0

program dying
    pause

program group
    spawn leaver; pause

program leaver
    setsid; on TERM goto end
  idle: pause; goto idle
  end: work 1; exit 0
";

/// Graces of a tick or two.
const SHORT: Graces =
    Graces { stop: None, drain: Millis(100), last_call: Millis(50), kill: Millis(50) };

fn small(main: &str, graces: Graces, role: Role, scripts: &[&str]) -> Setting {
    let any = workload::any();
    let library = match any.find(main) {
        Some(_) => any,
        None => program::parse(PROGRAMS).expect("a test reads it"),
    };
    let mut policy = Policy { graces, ..Policy::new(role) };
    policy.reaping.storm = None;
    let mut setting = Setting::new(policy, library);
    setting.main = setting.library.find(main).expect("it is one of these");
    setting.processes = if role == Role::Pid1 { 4 } else { 6 };
    setting.forks = Some(2);
    for script in scripts {
        let script = engine::parse(script, &setting.library).expect("a test reads it");
        setting.engine.push(script);
    }
    setting
}

/// The worlds in which lastout's mistakes and other inits are tried.
pub fn worlds() -> Vec<Setting> {
    let short = SHORT;
    let one = Role::Pid1;
    let mut worlds = vec![
        small("app", short, one, &[]),
        small("app", short, one, &["send TERM, send TERM"]),
        small("app", short, one, &["send USR1", "send TERM"]),
        small("app", short, one, &["send TERM", "exec visitor"]),
        small("app", short, Role::Subreaper, &["send TERM"]),
        small("busy", short, one, &["send TERM", "wait 10s, send USR1"]),
        small("stuck", short, one, &["wait 10s, send USR1"]),
        small("group", short, one, &["send TERM"]),
        small(
            "slow",
            Graces { stop: Some(Millis(200)), last_call: Millis(10), ..short },
            one,
            &["send TERM"],
        ),
        small("busy", short, one, &["pause 1s, unpause", "wait 10s, send USR1"]),
        small("dying", short, one, &["send TERM, send USR1, send TERM"]),
        small("bearing", short, one, &[]),
        small("dying", Graces { drain: Millis(150), ..short }, one, &["send TERM", "exec dying"]),
    ];
    for world in &mut worlds[..5] {
        world.forks = Some(1);
    }
    let mut told = small("deaf", short, one, &["stop 10s"]);
    let wishes = Wishes { stop_timeout: Some(Millis(10_000)), ..Wishes::default() };
    told.policy.graces = wishes.plan().expect("there is room");
    told.stop_timeout = wishes.stop_timeout;
    worlds.push(told);
    worlds
}

/// Worlds for mistakes only: a child that was there before init was, and died unheard; a report
/// that somebody else takes. No other init would be treated so by the kernel that starts it, or
/// says that it can bear it.
fn worlds_of_mistakes() -> Vec<Setting> {
    let mut inherited = small("dying", SHORT, Role::Pid1, &["send TERM"]);
    let mut lost = inherited.clone();
    inherited.faults.inherited = true;
    lost.faults.stolen = 1;
    let mut worlds = vec![inherited, lost];
    worlds.extend(storms());
    worlds
}

/// Storms that begin with the first look, on a kernel that can reap in init's stead and on one
/// that cannot.
fn storms() -> impl Iterator<Item = Setting> {
    [false, true].into_iter().flat_map(|forgetful| {
        ["busy", "standing"].map(|main| {
            let mut storm = small(main, SHORT, Role::Pid1, &["send TERM"]);
            storm.policy.reaping.storm = NonZeroU8::new(1);
            storm.faults.forgetful = forgetful;
            (storm.processes, storm.forks) = (6, Some(4));
            storm
        })
    })
}

/// The law that finds a mutant out, with the shortest counterexample in the worlds of the trial;
/// none: it escapes.
pub fn mutant(mutant: Mutant) -> Option<(Setting, Counterexample)> {
    let mut best: Option<(Setting, Counterexample)> = None;
    for mut setting in worlds().into_iter().chain(worlds_of_mistakes()) {
        setting.who = Who::Init(Kind::Mutant(mutant));
        let found = explore(&setting, MOST, |_, _| ()).broken;
        if let Some(counterexample) = found
            && best.as_ref().is_none_or(|(_, best)| counterexample.path.len() < best.path.len())
        {
            best = Some((setting, counterexample));
        }
    }
    best
}

/// The laws that another init breaks, each with the shortest counterexample.
pub fn peer(peer: Peer) -> BTreeMap<Law, (Setting, Counterexample)> {
    let mut broken: BTreeMap<Law, (Setting, Counterexample)> = BTreeMap::new();
    for mut setting in worlds().into_iter().filter(Setting::is_pid1) {
        setting.who = Who::Init(Kind::Peer(peer));
        setting.policy = peer.policy(setting.policy.graces);
        for (law, counterexample) in survey(&setting, MOST).breaks {
            let shorter = broken
                .get(&law)
                .is_none_or(|(_, best)| counterexample.path.len() < best.path.len());
            if shorter {
                broken.insert(law, (setting.clone(), counterexample));
            }
        }
    }
    broken
}

/// Who breaks which law, as a table in Markdown: the moves of the shortest counterexample, or
/// nothing where none was found.
pub fn peers_table(rows: &[(&str, BTreeMap<Law, usize>)]) -> String {
    let mut table = String::from("| |");
    for law in Law::ALL {
        let _ = write!(table, " {law} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(Law::ALL.len()));
    for (name, broken) in rows {
        let _ = write!(table, "\n| {name} |");
        for law in Law::ALL {
            let _ = match broken.get(law) {
                Some(moves) => write!(table, " **{moves}** |"),
                None => write!(table, " |"),
            };
        }
    }
    table.push('\n');
    table
}

/// All other inits' rows, as far as 60,000 states of each world go, and lastout's, which must be empty whatever
/// happens.
pub fn all_peers() -> Vec<(&'static str, BTreeMap<Law, usize>)> {
    let mut lastout = BTreeMap::new();
    for setting in worlds().into_iter().chain(worlds_of_mistakes()) {
        for (law, counterexample) in survey(&setting, u64::MAX).breaks {
            let moves = counterexample.path.len();
            lastout.entry(law).and_modify(|m: &mut usize| *m = moves.min(*m)).or_insert(moves);
        }
    }
    let mut rows = vec![("lastout", lastout)];
    for &other in Peer::ALL {
        let broken = peer(other);
        let lengths = broken.into_iter().map(|(law, (_, c))| (law, c.path.len())).collect();
        rows.push((other.name(), lengths));
    }
    rows
}
