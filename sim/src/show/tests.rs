//! A small life and a hard one, and what is shown of them.
//!
//! `tests/*.txt` is what is printed, to be looked at when it changes: with `LASTOUT_BLESS=1` in the
//! environment, the tests write these files instead of reading them.

use std::collections::BTreeMap;

use lastout_core::{Millis, Policy, Role, SpawnError, replay};

use super::layout::{Label, panels};
use super::life::Life;
use super::*;
use crate::engine;
use crate::explore::{Changes, Place, explore};
use crate::laws::Law;
use crate::machine::Kind;
use crate::mutant::Mutant;
use crate::note::Note;
use crate::peer::Peer;
use crate::program;
use crate::setting::{Setting, Who};
use crate::world::{Choice, World};

const PROGRAMS: &str = "
program app
    spawn worker; pause
program worker
    on TERM goto save
  idle: pause; goto idle
  save: sleep 20ms; say saved; exit 0
";

fn setting(programs: &str, scripts: &[&str]) -> Setting {
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

/// Everything that a row can show.
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

/// A life in which nobody dawdles and everybody gets a turn: init first, then who has waited
/// longest of the processes, then the engine, then time.
fn live(setting: &Setting) -> World {
    live_until(setting, |_| false)
}

/// The same, but no further than to a certain moment.
fn live_until(setting: &Setting, stop: impl Fn(&World) -> bool) -> World {
    let mut world = World::noted(setting);
    let mut choices = Vec::new();
    let mut last = BTreeMap::new();
    for turn in 0..10_000 {
        if stop(&world) {
            break;
        }
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
        let verdict = world.apply(setting, choice);
        assert!(verdict.is_ok() || !setting.is_lastout(), "{verdict:?}");
    }
    world
}

fn small() -> (World, Setting) {
    let setting = setting(PROGRAMS, &["wait 50ms, stop 10s"]);
    (live(&setting), setting)
}

fn hard() -> (World, Setting) {
    let script = "wait 80ms, send USR1, exec debug, wait 20ms, pause 5s, unpause, stop 10s";
    let setting = setting(HARD, &[script]);
    (live(&setting), setting)
}

/// A subreaper with a traced main child, somebody who cannot be killed, and terminal keys.
fn odd() -> (World, Setting) {
    let programs = "
program app
    on USR1 goto idle; on TERM goto bye
    trace-me; spawn deaf; kill self USR1
  idle: pause; goto idle
  bye: exit 4
program deaf
    spawn low; sleep 5ms; hang; pause
program low
    uid 7; setsid; mask TERM; kill self TERM; sleep 10ms; crash SEGV
";
    let mut setting = setting(programs, &["wait 20ms, press TSTP, wait 20ms, send TERM"]);
    setting.policy.role = Role::Subreaper;
    setting.policy.terminal = true;
    setting.faults.inherited = true;
    (live(&setting), setting)
}

/// Compares with a file of `tests/`, or writes it.
fn golden(name: &str, shown: &str) {
    let path = format!("{}/src/show/tests/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("LASTOUT_BLESS").is_some() {
        std::fs::write(&path, shown).expect("the file can be written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == expected, "{path} has another text:\n{expected}\nthan this:\n{shown}");
}

// ------------------------------------------------------------------------------------ stories

#[test]
fn a_story_is_a_record() {
    for (world, setting) in [small(), hard(), odd()] {
        let text = format!("{}\n{}", setting.policy, story(&world));
        let code = world.exit().map(lastout_core::Status::code);
        assert_eq!(replay::check(&text), Ok(code), "{text}");
        let steps = text.lines().filter(|line| !line.starts_with('#')).count();
        let notes = world.kernel.notes.kept().iter();
        let told = notes.filter(|timed| matches!(timed.note, Note::Step { .. })).count();
        assert_eq!(steps, told, "{text}");
    }
}

#[test]
fn a_story_tells_who_did_what() {
    let (world, setting) = small();
    golden("story", &format!("{}\n{}", setting.policy, story(&world)));
    let (world, _) = hard();
    let story = story(&world);
    for line in [
        "#       5 (child) is sent STOP by 5 (child)\n",
        "#       7 (sh) is adopted by init\n",
        "#       5 (child) is sent CONT by init, and runs again\n",
        "#       6 (stubborn) is sent TERM by init: without effect\n",
        "#       4 (debug) enters\n",
        "# +5s, frozen\n",
        "# --- LastCall\n",
        "#       8 (stubborn) is killed by init (KILL)\n",
    ] {
        assert!(story.contains(line), "{line:?} is not in:\n{story}");
    }
}

// ------------------------------------------------------------------------------------------ ps

#[test]
fn ps_shows_one_moment() {
    let mut setting = setting(HARD, &["wait 80ms, send USR1"]);
    setting.policy.terminal = true;
    let asked = |world: &World| {
        let mut all = world.kernel.processes.iter();
        all.any(|process| process.ghost.asked && !process.ghost.woken)
    };
    let world = live_until(&setting, asked);
    assert!(asked(&world), "nobody is asked");
    golden("ps", &ps(&world, &setting));
}

// -------------------------------------------------------------------------------- counterexamples

#[test]
fn a_counterexample_has_all_that_one_needs() {
    let mut setting = setting(PROGRAMS, &["send TERM"]);
    setting.who = Who::Init(Kind::Mutant(Mutant::LeavesWithMain));
    let found = explore(&setting, 100_000, |_, _| ()).broken.expect("a law is broken");
    let text = counterexample(&setting, &found, "lastout-sim replay it.world");
    let last = found.path.iter().filter(|choice| **choice == Choice::Init).count();
    assert!(last > 1, "{text}");
    for part in [
        format!("{} is broken: {}.\n", found.broken.law, found.broken.law.sentence()),
        format!("Here: {}.\n", found.broken.why),
        format!("{} moves lead there:\n\n    init; ", found.path.len()),
        format!("\n{}\n# --- Starting\n#       2 (app) is born to init\nspawned 2", setting.policy),
        format!("\n# {} is broken here\n", found.broken.law),
        "\nPID  PPID".into(),
        "\n    lastout-sim replay it.world\n".into(),
    ] {
        assert!(text.contains(&part), "{part:?} is not in:\n{text}");
    }
    assert!(!text.contains("But not when"), "{text}");
}

#[test]
fn a_counterexample_that_is_none_says_so() {
    let mut setting = setting(PROGRAMS, &["send TERM"]);
    setting.who = Who::Init(Kind::Mutant(Mutant::LeavesWithMain));
    let mut found = explore(&setting, 100_000, |_, _| ()).broken.expect("a law is broken");
    found.broken.law = Law::S5;
    let text = counterexample(&setting, &found, "");
    assert!(text.contains("But not when it is replayed"), "{text}");
}

// ------------------------------------------------------------------------------------- time lines

#[test]
fn a_timeline_shows_a_life() {
    let (world, setting) = small();
    golden("timeline", &timeline(&world, &setting, 100, false));
    let (world, setting) = hard();
    golden("timeline-hard", &timeline(&world, &setting, 120, false));
}

#[test]
fn the_odd_is_shown_too() {
    let (world, setting) = odd();
    let text =
        [story(&world), timeline(&world, &setting, 132, false), ps(&world, &setting)].join("");
    for part in [
        "# 3 (inherited) exits with 0\n",
        "# 5 (app) stands before USR1, for its tracer\n",
        "# 5 (app) goes on\n",
        "# 3 (deaf) hangs in the kernel (D)\n",
        "# 5 (app), 3 (deaf) are sent TSTP by the kernel\n",
        "stopped 5 TSTP -> stop-self, foreground 5, kill group 5 CONT; reap\n",
        "━━◇USR1━‖USR1┄━━»USR1━━",
        "━━≈≈≈",
        "━━✗SEGV░░░",
        "press TSTP",
        "\n4 bystander ━━",
        " 1 machine 0s - - - -\n",
        " 3 1 5 2 0 D deaf TERM - - - asked woken\n",
    ] {
        let words = |text: &str| {
            text.replace('\n', " \n ")
                .split(' ')
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert!(words(&text).contains(&words(part)), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn colours_change_nothing_but_the_colours() {
    let (world, setting) = hard();
    let mut plain = String::new();
    for (at, part) in timeline(&world, &setting, 100, true).split("\x1b[").enumerate() {
        plain.push_str(if at == 0 { part } else { part.split_once('m').expect("a colour").1 });
    }
    assert_eq!(plain, timeline(&world, &setting, 100, false));
}

#[test]
fn a_timeline_is_as_wide_as_it_may_be() {
    let (_, mut setting) = hard();
    setting.library.programs[2].name = "a program with a name that nobody would like".into();
    let mut world = live(&setting);
    let what = "something that takes a great many words to be told, and more".to_owned();
    world.kernel.notes.add(|| Note::Outside { what });
    for width in [60, 80, 100, 132, 200, 1000] {
        let text = timeline(&world, &setting, width, false);
        let chart = text.split("\nPID").next().unwrap_or_default();
        for line in chart.lines().skip(1) {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn nothing_stands_on_anything_else() {
    let (world, _) = hard();
    let life = Life::of(&world);
    let all: usize = life.rows.iter().map(|row| row.marks.len()).sum();
    for width in [30, 45, 60, 112, 1000] {
        let panels = panels(&life, width);
        let mut shown = 0;
        for panel in &panels {
            let apart = |labels: &[Label]| {
                let ends = labels.iter().map(|label| label.at + label.text.chars().count());
                let next = labels.iter().skip(1).map(|label| label.at).chain([panel.width + 1]);
                ends.zip(next).all(|(end, next)| end < next)
            };
            let rows = panel.lanes.iter().map(|lane| &lane.labels);
            for labels in rows.chain([&panel.times, &panel.engine]) {
                assert!(apart(labels), "{width}: {labels:?}");
            }
            for lane in &panel.lanes {
                let mut spans = lane.line.windows(2);
                assert!(spans.all(|pair| pair[0].to <= pair[1].from), "{lane:?}");
                shown += lane.labels.len();
            }
            for phase in &panel.phases {
                assert!(phase.what.len() <= phase.to - phase.from, "{width}: {phase:?}");
            }
        }
        assert_eq!(shown, all, "{width}");
    }
}

#[test]
fn who_is_not_lastout_has_no_phases() {
    let mut setting = setting(PROGRAMS, &["send TERM, wait 50ms, kill"]);
    setting.who = Who::Init(Kind::Peer(Peer::Tini));
    let text = timeline(&live(&setting), &setting, 100, false);
    assert!(!text.contains("\nphase") && text.contains("exit 143"), "{text}");
    setting.who = Who::Program(0);
    let text = timeline(&live(&setting), &setting, 100, false);
    assert!(!text.contains("\nphase"), "{text}");
    assert!(text.contains("killed by kernel at teardown (KILL)"), "{text}");
    assert!(text.contains("killed by engine (KILL)"), "{text}");
}

#[test]
fn an_svg_says_what_it_shows() {
    let (world, mut setting) = small();
    let svg = timeline_svg(&world, &setting);
    for part in [
        "<title id=\"title\">",
        "2 app; sent TERM by init at 0.05s; killed by init (TERM) at 0.05s.\n",
        ">3 worker</text>",
        ">Draining</text>",
        "class=\"dead\">✗TERM▸init</text>",
        "class=\"zombie\"",
    ] {
        assert!(svg.contains(part), "{part:?} is not in:\n{svg}");
    }
    assert!(!svg.contains("<script") && !svg.contains("href"), "{svg}");
    // Names come from people.
    setting.library.programs[1].name = "<w&\"".into();
    let svg = timeline_svg(&live(&setting), &setting);
    assert!(svg.contains(">3 &lt;w&amp;&quot;</text>"), "{svg}");
    assert!(!svg.contains("<w"), "{svg}");
}

// -------------------------------------------------------------------------------------- diagrams

/// What is found when the main child's start succeeds, and when it fails.
fn found(start: Option<SpawnError>) -> Changes {
    let mut setting = setting("program app\n either x y\n x: exit 1\n y: pause", &["send TERM"]);
    setting.policy.graces.stop = Some(Millis(50));
    setting.faults.spawn = start;
    if start.is_some() {
        setting.policy.graces.drain = Millis::ZERO;
    }
    let found = explore(&setting, 100_000, |_, _| ());
    assert_eq!((found.complete, found.broken), (true, None));
    found.changes
}

#[test]
fn a_diagram_shows_what_was_found_and_no_more() {
    let fails = diagram_svg(&found(Some(SpawnError::NotFound)));
    for part in [">Starting<", ">spawn-failed<", ">Exited<", "Starting to Exited: spawn-failed."] {
        assert!(fails.contains(part), "{part:?} is not in:\n{fails}");
    }
    for part in [">Running<", ">spawned<", ">Killing<"] {
        assert!(!fails.contains(part), "{part:?} is in:\n{fails}");
    }
    assert_eq!(fails.matches("class=\"way\"").count(), 1, "{fails}");
    assert_eq!(fails.matches("class=\"box\"").count(), 2, "{fails}");

    let starts = found(None);
    let svg = diagram_svg(&starts);
    assert_eq!(svg.matches("class=\"way\"").count(), starts.len(), "{svg}");
    assert!(svg.contains(">spawned<") && !svg.contains(">spawn-failed<"), "{svg}");
    let mut fewer = starts.clone();
    assert!(fewer.remove(&(Place::Running, Place::Stopping)).is_some());
    assert_ne!(diagram_svg(&fewer), svg);
}

#[test]
fn a_diagram_has_every_phase_at_its_place() {
    let place = |svg: &str, name: &str| {
        let line = svg.lines().find(|line| line.contains(&format!(">{name}</text>")));
        line.expect("it is there").to_owned()
    };
    let (fails, starts) = (found(Some(SpawnError::NotFound)), found(None));
    let mut both = starts.clone();
    both.extend(fails.clone());
    let (both, starts) = (diagram_svg(&both), diagram_svg(&starts));
    for name in ["Starting", "Running", "Draining"] {
        assert_eq!(place(&both, name), place(&starts, name));
    }
}
