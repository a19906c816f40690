//! A small life, and what is shown of it.

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

/// A life in which nobody dawdles: init first, then the processes, the engine, and time.
pub(super) fn live(setting: &Setting) -> World {
    let mut world = World::noted(setting);
    let mut choices = Vec::new();
    for _ in 0..10_000 {
        world.choices(setting, &mut choices);
        let rank = |choice: &Choice| match choice {
            Choice::Init => 0,
            Choice::Process(..) => 1,
            Choice::Engine(_) => 2,
            Choice::Pass(_) => 3,
            _ => 4,
        };
        let Some(&choice) = choices.iter().min_by_key(|choice| rank(choice)) else {
            break;
        };
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
