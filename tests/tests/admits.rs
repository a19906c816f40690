//! `admits`: whatever was lived in the simulated world it says is possible, what Linux did it
//! says is possible (tests/record.rs), and it can say no.
//!
//! Long, because what is admitted and what is refused are pairs, to be read together.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{env, fs};

use lastout_core::replay::{self, FaultKind, Line};
use lastout_core::{Event, Pid, Policy, Status};
use lastout_sim::admits::{Premises, Verdict, Why, admits};
use lastout_sim::chooser::{Chooser, Random};
use lastout_sim::machine::Kind;
use lastout_sim::setting::{Setting, Who};
use lastout_sim::show::story;
use lastout_sim::world::World;
use lastout_sim::{scenario, swarm};

const USUAL: Premises = Premises { held: false, denied: false };
const HELD: Premises = Premises { held: true, denied: false };
const DENIED: Premises = Premises { held: false, denied: true };

/// How many random lives; `LASTOUT_LIVES` asks for more.
const LIVES: u64 = 10_000;

fn lives() -> u64 {
    let asked = env::var("LASTOUT_LIVES").ok();
    asked.map_or(LIVES, |number| number.parse().expect("a number of lives"))
}

/// What a life of lastout would have been recorded as.
fn recorded(setting: &Setting, world: &World) -> String {
    format!("{}\n{}", setting.policy, story(world))
}

/// These events, and what the machine does about each. None, if it cannot be asked that.
fn record(policy: &str, events: impl IntoIterator<Item = impl AsRef<str>>) -> Option<String> {
    let policy: Policy = format!("# lastout 1 {policy}").parse().expect("a policy");
    let mut text = format!("{policy}\n");
    for event in events {
        let _ = writeln!(text, "{}", event.as_ref());
    }
    let mut record = String::new();
    let written = replay::rewrite(&text, |line| {
        let _ = match line {
            Line::Remark(remark) => writeln!(record, "{remark}"),
            Line::Policy(policy) => writeln!(record, "{policy}"),
            Line::Entry(entry) => writeln!(record, "{entry}"),
        };
    });
    written.ok().map(|()| record)
}

fn verdict(policy: &str, events: &str) -> Verdict {
    let record = record(policy, events.split("; ")).expect(events);
    admits(&record).expect("a record of the machine")
}

/// The files of that kind in tests/scenarios, by their names.
fn files(kind: &str) -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let paths = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let of_kind = |path: &PathBuf| path.extension().is_some_and(|extension| extension == kind);
    let mut files: Vec<_> = paths
        .filter(of_kind)
        .map(|path| (name(&path), fs::read_to_string(&path).unwrap()))
        .collect();
    files.sort();
    files
}

// ------------------------------------------------------------------- what is possible is admitted

#[test]
fn the_record_of_every_random_life_is_admitted() {
    let mut faults = String::new();
    let (mut judged, mut steps, mut held, mut denied) = (0, 0, 0, 0);
    for seed in 1..=lives() {
        let (setting, life) = swarm::noted(seed);
        if setting.faults.stolen > 0 {
            continue; // No kernel does that.
        }
        let record = recorded(&setting, &life.world);
        judged += 1;
        steps += record.lines().filter(|line| line.contains("->")).count();
        let verdict = admits(&record);
        // More is assumed only where that was so.
        let traced = setting.faults.tracer > 0;
        let is_right = match verdict {
            Ok(Verdict::Admitted { premises }) => {
                held += u32::from(premises.held);
                denied += u32::from(premises.denied);
                let excused = traced || setting.faults.eperm;
                (excused || !premises.held) && (setting.faults.eperm || !premises.denied)
            }
            _ => false,
        };
        if !is_right {
            let _ = writeln!(faults, "life {seed}: {verdict:?}\n{record}");
        }
    }
    println!("{judged} lives, {steps} steps; {held} with a zombie held, {denied} denied");
    assert!(faults.is_empty(), "\n{faults}");
    assert!(steps > 20_000 && held > 0, "lives in which nothing happens prove nothing");
}

#[test]
fn the_life_of_every_world_with_lastout_is_admitted() {
    let mut judged = 0;
    for (name, text) in files("world") {
        let scenario = scenario::parse(&text).unwrap();
        if scenario.setting.who != Who::Init(Kind::Lastout) {
            continue;
        }
        let record = recorded(&scenario.setting, &scenario::life(&scenario));
        assert_eq!(admits(&record), Ok(Verdict::Admitted { premises: USUAL }), "{name}");
        judged += 1;
    }
    assert!(judged >= 20, "only {judged}");
}

/// Scenarios that no kernel can have answered like that, with the line and the reason.
const IMPOSSIBLE: [(&str, usize, &str); 1] = [
    // That is what it is about: SIGCHLD inherited as ignored, say, which lastout undoes (K31).
    ("main-child-lost", 8, "the kernel would have answered: none-ready"),
];

#[test]
fn every_scenario_that_a_kernel_can_answer_is_admitted() {
    let mut impossible = IMPOSSIBLE.to_vec();
    for (name, text) in files("log") {
        let verdict = admits(&text).expect("a record of the machine");
        let is_it = |row: &(&str, usize, &str)| row.0 == name;
        if let Some(at) = impossible.iter().position(is_it) {
            let (_, line, says) = impossible.remove(at);
            let Verdict::Refused { line: found, why, .. } = verdict else {
                panic!("{name} is possible: {verdict:?}");
            };
            assert_eq!((found, why.to_string().as_str()), (line, says), "{name}");
        } else {
            assert_eq!(verdict, Verdict::Admitted { premises: USUAL }, "{name}");
        }
    }
    assert!(impossible.is_empty(), "these are no scenarios: {impossible:?}");
}

/// What looks impossible, and is not.
#[test]
fn what_is_only_strange_is_admitted() {
    for (role, events) in [
        // A CHLD is anybody's to send, also with a value.
        ("role=pid1", "signal CHLD value 3; reaped 7 exit 0; no-children; alone"),
        // The signal of a fault is taken before CHLD, though its number is higher.
        ("role=pid1", "signal CHLD; stopped 8 STOP; reaped 8 exit 0; none-ready; signal SYS"),
        // A pid is given again at once.
        ("role=pid1", "signal CHLD; reaped 7 exit 0; reaped 7 exit 1; no-children; alone"),
        ("role=subreaper", "signal CHLD; reaped 8 exit 0; reaped 8 exit 1; none-ready"),
        // A process may be adopted stopped, and no CHLD says so.
        ("role=pid1", "signal CHLD; stopped 8 TSTP; none-ready; signal CONT"),
        // A child from before the exec is elder than the main child.
        ("role=pid1", "signal CHLD; reaped 8 exit 0; stopped 7 STOP; none-ready; signal CONT"),
        // Somebody enters behind a closing door, and leaves again.
        ("role=pid1", "signal CHLD; reaped 7 exit 0; no-children; company; alarm; alone"),
        // An inherited child outlives the main child of an init that adopts nobody.
        ("role=plain", "signal CHLD; reaped 7 exit 0; none-ready; signal CHLD; reaped 5 exit 0"),
    ] {
        let events = format!("spawned 7; none-ready; {events}");
        let record = record(role, events.split("; ")).expect("events of the machine");
        assert_eq!(admits(&record), Ok(Verdict::Admitted { premises: USUAL }), "{record}");
    }
}

// -------------------------------------------------------------------------------- it can say no

const START: &str = "spawned 7; none-ready; ";
const KILLED: &str = "spawned 7; none-ready; signal CHLD; reaped 7 exit 0; none-ready; alarm; \
                      none-ready; alarm; none-ready; ";
const PID1: &str = "role=pid1 drain-grace=50ms last-call=50ms kill-grace=500ms";
const SUBREAPER: &str = "role=subreaper drain-grace=50ms last-call=50ms kill-grace=500ms";

/// What it is about, the policy, what happens, of which the last cannot be, and why: for each reason
/// at least one.
const REFUSED: [(&str, &str, &str, &str, &str); 19] = [
    ("the main child is not reaped", PID1, START, "signal CHLD; no-children", "none-ready"),
    (
        "no child is there",
        PID1,
        START,
        "signal CHLD; reaped 7 exit 0; none-ready; \
          signal CHLD; no-children",
        "none-ready",
    ),
    (
        "a stopped child is there",
        PID1,
        START,
        // Asking woke it.
        "signal CHLD; stopped 8 STOP; reaped 7 exit 0; no-children",
        "continued 8",
    ),
    ("no alarm was armed", PID1, START, "alarm", "no alarm was armed"),
    ("KILL is for nobody to take", PID1, START, "signal KILL", "KILL cannot be waited for"),
    ("nor is STOP", PID1, START, "signal STOP", "STOP cannot be waited for"),
    (
        "nobody stands before KILL",
        PID1,
        START,
        "signal CHLD; trapped 7 KILL",
        "KILL cannot be waited for",
    ),
    ("CHLD kills nobody", PID1, START, "signal CHLD; reaped 7 signal CHLD", "CHLD kills nobody"),
    ("nor does STOP", PID1, START, "signal CHLD; reaped 8 signal STOP", "STOP kills nobody"),
    (
        "nobody leaves a core of TERM",
        PID1,
        START,
        "signal CHLD; reaped 7 signal TERM core",
        "a death by TERM leaves no core dump",
    ),
    ("TERM stops nobody", PID1, START, "signal CHLD; stopped 7 TERM", "TERM stops nobody"),
    ("PID 1 is somebody", PID1, "", "spawned 1", "the number 1 was somebody else's"),
    (
        "and stays it",
        PID1,
        START,
        "signal CHLD; reaped 1 exit 0",
        "the number 1 was somebody else's",
    ),
    (
        "a death that no CHLD told of is told of by one",
        PID1,
        "spawned 7; none-ready; signal CHLD; reaped 7 exit 0; none-ready; alarm; ",
        "reaped 8 exit 0; none-ready; signal WINCH",
        "signal CHLD",
    ),
    (
        "there is one report at a time",
        PID1,
        START,
        "signal CHLD; stopped 7 STOP; stopped 7 TSTP; none-ready; signal CONT",
        "signal CHLD",
    ),
    (
        "the eldest comes first",
        PID1,
        START,
        "signal CHLD; reaped 9 exit 0; none-ready; signal CHLD; reaped 9 exit 1; \
           stopped 7 STOP; none-ready; signal WINCH",
        "signal CHLD",
    ),
    (
        "nobody is born to nobody",
        SUBREAPER,
        START,
        "signal CHLD; reaped 7 exit 0; reaped 7 exit 1; no-children",
        "none-ready",
    ),
    (
        "nobody is adopted without a subreaper",
        "role=plain",
        START,
        "signal CHLD; reaped 7 exit 0; reaped 7 exit 1",
        "nobody was left whose child 7 could be",
    ),
    (
        "below a subreaper nobody is born after KILL",
        SUBREAPER,
        KILLED,
        "signal CHLD; reaped 8 signal KILL; reaped 8 exit 0; no-children",
        "none-ready",
    ),
];

#[test]
fn what_is_impossible_is_refused_at_its_line_and_for_its_reason() {
    for (name, policy, before, events, says) in REFUSED {
        let events = format!("{before}{events}");
        let last = events.split("; ").count() + 1;
        let says = match says.parse::<Event>() {
            Ok(event) => format!("the kernel would have answered: {event}"),
            Err(_) => says.to_owned(),
        };
        let Verdict::Refused { line, why, anyway: None } = verdict(policy, &events) else {
            panic!("{name}: something else");
        };
        assert_eq!((line, why.to_string()), (last, says), "{name}");
        // Up to there all was well.
        let events: Vec<_> = events.split("; ").collect();
        let shorter = record(policy, &events[..events.len() - 1]).expect("a shorter one");
        let shorter = admits(&shorter).expect("a record of the machine");
        assert!(matches!(shorter, Verdict::Admitted { .. }), "{name}: {shorter:?}");
    }
}

/// Seen on Linux 6.18 under one CHLD: a child stands before a signal for its tracer, and was continued
/// before. These are two things to tell of (K28).
#[test]
fn a_trap_leaves_a_continuation_to_be_told() {
    let events = "spawned 7; none-ready; signal CHLD; stopped 8 STOP; none-ready; signal CHLD; \
                  trapped 8 CHLD; continued 8; none-ready; signal CONT";
    assert_eq!(verdict("role=pid1", events), Verdict::Admitted { premises: USUAL });
}

#[test]
fn what_no_premise_helps_is_told_with_how_far_the_best_one_gets() {
    let events = "spawned 7; none-ready; signal CHLD; stopped 7 STOP; none-ready; signal TERM; \
                  signal CHLD; none-ready; signal CHLD; continued 7";
    let (told, dead) = (Event::Continued, Event::Reaped);
    let pid = Pid::new(7).unwrap();
    let expected = Verdict::Refused {
        line: 9,
        why: Why::Answers(told(pid)),
        anyway: Some((11, Why::Answers(dead(pid, Status::Exited(0))))),
    };
    assert_eq!(verdict("role=pid1", events), expected);
}

#[test]
fn what_needs_a_premise_says_so() {
    let policy = "role=pid1 stop-grace=50ms drain-grace=0 kill-grace=100ms";
    let killed = "spawned 7; none-ready; signal TERM; alarm; none-ready; signal CHLD; ";
    for (events, premises) in [
        ("reaped 7 signal KILL; no-children; alone", USUAL),
        ("reaped 7 exit 0; no-children; alone", HELD),
        ("trapped 7 USR1; none-ready", DENIED),
        // Who was an orphan's child may have died before, and nobody knew.
        ("reaped 8 exit 0; reaped 7 signal KILL; no-children; alone", USUAL),
    ] {
        let verdict = verdict(policy, &format!("{killed}{events}"));
        assert_eq!(verdict, Verdict::Admitted { premises }, "{events}");
    }
    assert_eq!(HELD.all().count() + DENIED.all().count(), 2);
    assert_eq!(USUAL.all().count(), 0);
}

/// Seen on Linux 6.18, once in some thousand lives, and always if there is much memory to give
/// back: when the exit of a child that was continued has begun, it has no continuation to tell any more,
/// and no end until the exit is over.
#[test]
fn an_exit_may_take_its_time_after_a_continuation_that_is_never_told() {
    let events = "spawned 7; none-ready; signal CHLD; stopped 7 STOP; none-ready; signal TERM; \
                  signal CHLD; none-ready; signal CHLD; reaped 7 exit 6; no-children; alone";
    assert_eq!(verdict("role=pid1", events), Verdict::Admitted { premises: HELD });
}

/// Lives in a storm. After the first look, in vain, it is one.
#[test]
fn what_a_storm_hides_is_admitted() {
    for (policy, events, premises) in [
        // Whom CHLD names was first, and whoever is told of before it is elder.
        (
            "role=pid1",
            "none-ready; signal CHLD from 9; reaped 7 exit 0; reaped 8 signal TERM; \
             reaped 9 exit 0; no-children; alone",
            USUAL,
        ),
        // The same, by whom a pid was given again.
        (
            "role=pid1",
            "reaped 8 exit 0; none-ready; signal CHLD from 8; reaped 7 exit 0; \
             reaped 9 signal TERM; reaped 8 exit 0; no-children; alone",
            USUAL,
        ),
        // CHLD was pending when both were told of: the main child cannot have been dead before it was
        // there, so it was not the first.
        (
            "role=pid1",
            "reaped 7 exit 0; reaped 8 exit 0; none-ready; signal CHLD from 8; none-ready; settled; \
             reaped 9 signal TERM; no-children; alone",
            USUAL,
        ),
        // Nor can 8, of which another thing was told since the last CHLD.
        (
            "role=pid1 kernel-reaping=off",
            "none-ready; signal CHLD from 8; stopped 8 STOP; settled; reaped 8 exit 0; \
             reaped 9 exit 0; none-ready; signal CHLD from 9; none-ready",
            USUAL,
        ),
        // That 7 runs again is told before CHLD tells of it, and 8 dies in between (K28).
        (
            "role=pid1",
            "none-ready; signal TERM; signal CHLD from 7; stopped 7 STOP; settled; continued 7; \
             reaped 8 exit 0; none-ready; signal CHLD from 7; reaped 7 signal TERM; no-children",
            USUAL,
        ),
        // Whom the last CHLD names need not be told of.
        ("role=pid1", "none-ready; signal CHLD from 7", USUAL),
        ("role=plain", "none-ready; signal TERM; signal CHLD from 7", USUAL),
        // It stopped, and was dead and held before anybody looked.
        (
            "role=plain",
            "none-ready; signal CHLD from 7; none-ready; signal CHLD from 7; reaped 7 exit 0",
            HELD,
        ),
        // The kernel reaps the main child, and init has no others (K109).
        (
            "role=pid1",
            "none-ready; signal CHLD from 8; proven 8 exit 0; reaped 7 exit 0; no-children; alone",
            USUAL,
        ),
        (
            "role=subreaper drain-grace=0",
            "none-ready; signal CHLD from 8; proven 8 exit 0; reaped 7 exit 0",
            USUAL,
        ),
        // Who was dead before is told of all the same; and no CHLD tells of the main child.
        (
            "role=pid1",
            "none-ready; signal CHLD from 9; proven 8 exit 0; reaped 9 exit 0; none-ready; \
             reaped 7 exit 0; none-ready; settled",
            USUAL,
        ),
        // Nor of a stop (K31).
        (
            "role=pid1",
            "none-ready; signal CHLD from 8; proven 8 exit 0; none-ready; signal TERM; \
             stopped 7 STOP; continued 7; none-ready; signal WINCH",
            USUAL,
        ),
    ] {
        let events = format!("spawned 7; {events}");
        let verdict = verdict(&format!("{policy} storm=1"), &events);
        assert_eq!(verdict, Verdict::Admitted { premises }, "{events}");
    }
}

/// The policy, what happens in a storm, of which the last cannot be, and what the kernel would have
/// answered.
const REFUSED_IN_STORMS: [(&str, &str, &str); 4] = [
    // 8 is elder than 9, and was dead.
    (
        "storm=2",
        "none-ready; signal CHLD; stopped 8 STOP; stopped 9 STOP; none-ready; signal WINCH; \
         signal CHLD from 8; reaped 9 exit 0",
        "reaped 8 exit 0",
    ),
    // There are no new zombies since the kernel reaps.
    (
        "storm=1",
        "none-ready; signal CHLD from 8; proven 8 exit 0; stopped 9 STOP; reaped 9 exit 0",
        "none-ready",
    ),
    // It was not dead when CHLD named it, so another one is pending.
    (
        "storm=1 kernel-reaping=off",
        "none-ready; signal CHLD from 8; stopped 8 STOP; settled; reaped 8 exit 0; none-ready; \
         settled",
        "signal CHLD from 8",
    ),
    // 8 was first, so that it was to be named.
    (
        "storm=1 kernel-reaping=off",
        "none-ready; signal CHLD from 8; stopped 8 STOP; settled; reaped 8 exit 0; none-ready; \
         signal CHLD from 9",
        "signal CHLD from 8",
    ),
];

#[test]
fn what_is_impossible_in_a_storm_is_refused_at_its_line_and_for_its_reason() {
    for (policy, events, answer) in REFUSED_IN_STORMS {
        let events = format!("spawned 7; {events}");
        let expected = Verdict::Refused {
            line: events.split("; ").count() + 1,
            why: Why::Answers(answer.parse().expect("an event")),
            anyway: None,
        };
        assert_eq!(verdict(&format!("role=pid1 {policy}"), &events), expected, "{events}");
        let (shorter, _) = events.rsplit_once("; ").expect("more than one");
        let verdict = verdict(&format!("role=pid1 {policy}"), shorter);
        assert!(matches!(verdict, Verdict::Admitted { .. }), "{shorter}: {verdict:?}");
    }
}

/// The main child was continued and is dying when KILL comes; it had not run since.
#[test]
fn a_continuation_may_be_told_of_who_was_dying_when_kill_came() {
    let policy = "role=pid1 stop-grace=50ms drain-grace=0 kill-grace=100ms";
    let events = "spawned 7; none-ready; signal CHLD; stopped 7 STOP; none-ready; signal TERM; alarm; \
                  continued 7; none-ready; signal CHLD; reaped 7 signal TERM; no-children; alone";
    assert_eq!(verdict(policy, events), Verdict::Admitted { premises: USUAL });
}

#[test]
fn behind_a_gap_nothing_is_said() {
    let events = "spawned 7; none-ready; signal CHLD; stopped 7 STOP; none-ready";
    let record = record("role=pid1", events.split("; ")).unwrap();
    let behind = format!("{record}signal USR\n# gap 3\nsignal KILL            -> wait\n");
    let verdict = Verdict::ToGap { line: 7, lost: 3, premises: USUAL };
    assert_eq!(admits(&behind), Ok(verdict));
    let before = behind.replace("stopped 7 STOP         ", "stopped 7 TERM         ");
    let refused = admits(&before).unwrap();
    assert!(
        matches!(refused, Verdict::Refused { line: 5, why: Why::StopsNobody(_), .. }),
        "{refused:?}"
    );
}

#[test]
fn a_record_that_is_cut_off_is_judged_by_its_whole_lines() {
    let events = "spawned 7; none-ready; signal CHLD; reaped 8 exit 17; none-ready";
    let record = record("role=pid1", events.split("; ")).unwrap();
    for end in 0..=record.len() {
        let verdict = admits(&record[..end]);
        if end > 0 && !record[..end].contains('\n') && verdict.is_err() {
            continue; // Not even the policy is there.
        }
        assert_eq!(verdict, Ok(Verdict::Admitted { premises: USUAL }), "{end}");
    }
}

#[test]
fn what_is_no_record_of_this_machine_is_no_matter_of_the_world() {
    let record = record("role=pid1", ["spawned 7", "none-ready"]).unwrap();
    let lie = record.replace("-> wait", "-> reap");
    assert!(matches!(admits(&lie).unwrap_err().kind, FaultKind::Differs(_)));
}

// -------------------------------------------------------------------------------------- damage

/// What happens to the lines of a record.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Drop,
    Twice,
    Swap,
    Elsewhere,
}

fn damaged(events: &[Event], damage: Damage, random: &mut Random) -> Vec<Event> {
    let mut events = events.to_vec();
    let (at, last) = (random.below(events.len()), events.len() - 1);
    match damage {
        Damage::Drop => drop(events.remove(at)),
        Damage::Twice => events.insert(at, events[at]),
        Damage::Swap => events.swap(at, (at + 1).min(last)),
        Damage::Elsewhere => {
            let event = events.remove(at);
            let to = random.below(events.len() + 1);
            events.insert(to, event);
        }
    }
    events
}

/// Most of what is left when a line is lost is another life, and a possible one; and most of what is
/// not, the machine finds out. This is about the rest.
#[test]
fn some_damage_that_the_machine_does_not_see_the_world_sees() {
    let mut random = Random::new(1);
    for damage in [Damage::Drop, Damage::Twice, Damage::Swap, Damage::Elsewhere] {
        let (mut believed, mut refused) = (0_u32, 0_u32);
        for seed in 1..=4000 {
            let (setting, life) = swarm::noted(seed);
            let mut events = Vec::new();
            let told = recorded(&setting, &life.world);
            let _ = replay::rewrite(&told, |line| {
                if let Line::Entry(entry) = line {
                    events.push(entry.event);
                }
            });
            if setting.faults.stolen > 0 || events.len() < 4 {
                continue;
            }
            let changed = damaged(&events, damage, &mut random);
            let policy = setting.policy.to_string();
            let policy = policy.strip_prefix("# lastout 1 ").unwrap();
            let lines = changed.iter().map(ToString::to_string);
            let Some(record) = (changed != events).then(|| record(policy, lines)).flatten() else {
                continue;
            };
            believed += 1;
            let verdict = admits(&record).expect("the machine wrote it");
            refused += u32::from(matches!(verdict, Verdict::Refused { .. }));
        }
        let percent = 100 * refused / believed.max(1);
        println!("{damage:?}: {refused} of {believed} refused, {percent} %");
        assert!(believed > 300, "{damage:?}: {believed}");
        // 12, 12, 22 and 37 % when this was written.
        assert!(percent >= 6, "{damage:?}: {percent} %");
    }
}

#[test]
fn a_hundred_thousand_lines_take_no_time() {
    let mut events = vec!["spawned 7".to_owned(), "none-ready".to_owned()];
    for number in 0..20_000 {
        let pid = 8 + number % 5000;
        events.push("signal CHLD".into());
        events.push(format!("stopped {} STOP", 6000 + number % 7));
        events.push(format!("reaped {pid} exit 0"));
        events.push("none-ready".into());
        events.push("signal CONT".into());
    }
    // In a storm the children would be named.
    let record = record("role=pid1 storm=never", events).unwrap();
    let since = Instant::now();
    assert_eq!(admits(&record), Ok(Verdict::Admitted { premises: USUAL }));
    let took = since.elapsed();
    println!("{} lines in {:.2} s", record.lines().count(), took.as_secs_f64());
    // About a second; a search that grows with the square would take minutes.
    assert!(took.as_secs() < 30, "{took:?}");
}
