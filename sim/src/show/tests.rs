//! A small life, and what is shown of it.

use std::collections::BTreeMap;

use lastout_core::{Millis, Policy, replay};

use super::*;
use crate::engine;
use crate::program;
use crate::setting::Setting;
use crate::world::{Choice, World};

const PROGRAMS: &str = "
program app
    spawn worker; pause
program worker
    on TERM goto save
  idle: pause; goto idle
  save: sleep 20ms; say saved; exit 0
";

pub(super) fn setting(programs: &str, scripts: &[&str]) -> Setting {
    let mut policy = Policy::default();
    policy.graces.drain = Millis(100);
    policy.graces.last_call = Millis(50);
    policy.graces.kill = Millis(50);
    let mut setting = Setting::new(policy, program::parse(programs).expect("programs"));
    for script in scripts {
        setting.engine.push(engine::parse(script, &setting.library).expect("a script"));
    }
    setting
}

/// A life in which nobody dawdles and everybody gets a turn: init first, then who has waited
/// longest of the processes, then the engine, then time.
pub(super) fn live(setting: &Setting) -> World {
    let mut world = World::noted(setting);
    let mut choices = Vec::new();
    let mut last = BTreeMap::new();
    for turn in 0..10_000 {
        world.choices(setting, &mut choices);
        let rank = |choice: &Choice| match choice {
            Choice::Init => (0, 0),
            Choice::Process(pid, _) => (1, last.get(pid).copied().unwrap_or(0)),
            Choice::Engine(_) => (2, 0),
            Choice::Pass(_) => (3, 0),
            _ => (4, 0),
        };
        let Some(&choice) = choices.iter().min_by_key(|choice| rank(choice)) else {
            break;
        };
        if let Choice::Process(pid, _) = choice {
            last.insert(pid, turn);
        }
        world.apply(setting, choice).expect("lastout keeps the laws");
    }
    world
}

fn small() -> (World, Setting) {
    let setting = setting(PROGRAMS, &["wait 50ms, stop 10s"]);
    (live(&setting), setting)
}

#[test]
fn a_story_replays() {
    let (world, setting) = small();
    let text = format!("{}\n{}", setting.policy, story(&world));
    assert_eq!(replay::check(&text), Ok(Some(143)), "{text}");
    println!("{text}");
}

#[test]
fn ps_golden() {
    let (world, setting) = small();
    println!("{}", ps(&world, &setting));
}

#[test]
fn timeline_golden() {
    let (world, setting) = small();
    println!("{}", timeline(&world, &setting, 100, false));
    println!("{}", timeline(&world, &setting, 60, true));
}

const HARD: &str = "
program sh
    on TERM goto stop
    spawn web; background cron; spawn stubborn; daemon logger
  idle: pause; goto idle
  stop: work 3; exit 3
program web
    on TERM goto bye
    spawn child
  idle: pause; goto idle
  bye: sleep 30ms; exit 0
program child
    kill self STOP
    pause
program cron
    on INT default
    sleep 40ms; spawn job; pause
program job
    sleep 500ms
program stubborn
    on TERM ignore
    pause
program logger
    on TERM goto late
   idle: pause; goto idle
   late: sleep 20ms; spawn stubborn; pause
program debug
    on HUP ignore
    pause
";

#[test]
fn hard() {
    let setting = setting(HARD, &["wait 80ms, send USR1, exec debug, wait 20ms, pause 5s, unpause, stop 10s"]);
    let world = live(&setting);
    println!("{}", timeline(&world, &setting, 120, false));
    println!("{}\n{}", setting.policy, story(&world));
    println!("{}", ps(&world, &setting));
    std::fs::write("/tmp/show-hard.svg", timeline_svg(&world, &setting)).unwrap();
    let (world, setting) = small();
    std::fs::write("/tmp/show-small.svg", timeline_svg(&world, &setting)).unwrap();
}

#[test]
fn found() {
    let mut changes = crate::explore::Changes::new();
    for (stop, last, drain, err) in [(None, 50, 100, false), (Some(50), 50, 100, false), (None, 0, 50, false), (None, 50, 0, false), (None, 50, 100, true)] {
        let mut s = setting("
program app
  either die live
  live: spawn w; pause
  die: exit 1
program w
  either deaf fine
  deaf: on TERM ignore
  fine: pause
", &["exec w"]);
        s.policy.graces.stop = stop.map(Millis);
        s.policy.graces.drain = Millis(drain);
        s.policy.graces.last_call = Millis(last);
        if stop.is_some() { s.engine = vec![engine::parse("send TERM", &s.library).unwrap()]; }
        s.faults.stolen = u8::from(stop.is_none());
        if err { s.engine.clear(); s.faults.spawn = Some(lastout_core::SpawnError::NotFound); }
        let e = crate::explore::explore(&s, 300_000, |_, _| ());
        println!("{} {:?}", e.states, e.broken);
        for (k, v) in e.changes { changes.entry(k).or_default().extend(v); }
    }
    std::fs::write("/tmp/show-diagram.svg", diagram_svg(&changes)).unwrap();
    changes.entry((crate::explore::Place::Killing, crate::explore::Place::Draining)).or_default().insert("signal");
    changes.entry((crate::explore::Place::Killing, crate::explore::Place::Running)).or_default().insert("signal");
    changes.remove(&(crate::explore::Place::Starting, crate::explore::Place::Exited));
    std::fs::write("/tmp/show-mutant.svg", diagram_svg(&changes)).unwrap();
    for c in &changes { println!("{c:?}"); }
}
