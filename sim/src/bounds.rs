//! The bounded worlds that are searched completely: what the ordinary tests search, and what
//! takes longer.
//!
//! In each of them everybody may do anything at any time (the programs of [`crate::workload`]),
//! within numbers that keep the search finite and short. A graces' length means nothing to a
//! search but in how many ticks it has, so they are short.

use std::num::NonZeroU8;

use lastout_core::{Forward, Graces, Millis, Policy, Role, Signal, SpawnError, Wishes};

use crate::engine;
use crate::kernel::Freezer;
use crate::setting::Setting;
use crate::workload;

/// A world to be searched, and why.
#[derive(Clone, Debug)]
pub struct Bound {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub what: &'static str,
    /// The world.
    pub setting: Setting,
}

const TICK: Millis = Millis(50);

/// Each grace of one tick.
const SHORT: Graces = Graces { stop: None, drain: TICK, last_call: TICK, kill: TICK };

struct Draft {
    graces: Graces,
    role: Role,
    others: u16,
    forks: u8,
    engine: &'static [&'static str],
}

impl Draft {
    fn new(others: u16, forks: u8, engine: &'static [&'static str]) -> Self {
        Self { graces: SHORT, role: Role::Pid1, others, forks, engine }
    }

    fn setting(self) -> Setting {
        let policy = Policy { graces: self.graces, ..calm(self.role) };
        let mut setting = Setting::new(policy, workload::any());
        // Init, and for a subreaper the machine's own init and a bystander.
        let above = if self.role == Role::Pid1 { 1 } else { 3 };
        setting.processes = self.others + above;
        setting.forks = Some(self.forks);
        setting.engine = scripts(self.engine, &setting);
        setting
    }
}

/// No storms: how often was looked in vain would be a part of each state, and the number of looks
/// after which one begins is out of reach. In worlds with storms they begin at once.
fn calm(role: Role) -> Policy {
    let mut policy = Policy::new(role);
    policy.reaping.storm = None;
    policy
}

fn scripts(texts: &[&str], setting: &Setting) -> Vec<engine::Script> {
    let read = |text: &&str| engine::parse(text, &setting.library).expect("a test reads it");
    texts.iter().map(read).collect()
}

/// What the ordinary tests search.
#[allow(clippy::too_many_lines, reason = "one table: a world in a few lines")]
pub fn ordinary() -> Vec<Bound> {
    let mut bounds = vec![
        Bound {
            name: "two-stops",
            what: "3 processes, 2 forks, TERM twice",
            setting: Draft::new(3, 2, &["send TERM, send TERM"]).setting(),
        },
        Bound {
            name: "visitor-and-freeze",
            what: "3 processes, 1 fork, TERM, one entered process, one freeze",
            setting: Draft::new(3, 1, &["send TERM", "exec visitor", "pause 1s, unpause"])
                .setting(),
        },
        Bound {
            name: "another-signal",
            what: "2 processes, 1 fork, USR1 and TERM, a drain of two ticks",
            setting: Draft {
                graces: Graces { drain: Millis(100), ..SHORT },
                ..Draft::new(2, 1, &["send USR1", "send TERM"])
            }
            .setting(),
        },
        Bound {
            name: "subreaper",
            what: "a subreaper; 3 processes, 2 forks, TERM",
            setting: Draft { role: Role::Subreaper, ..Draft::new(3, 2, &["send TERM"]) }.setting(),
        },
        Bound {
            name: "stop-grace",
            what: "3 processes, 1 fork, a stop grace of one tick, TERM twice",
            setting: Draft {
                graces: Graces { stop: Some(TICK), ..SHORT },
                ..Draft::new(3, 1, &["send TERM, send TERM"])
            }
            .setting(),
        },
    ];
    let mut group = Draft::new(3, 2, &["send TERM"]).setting();
    group.policy.forward = Forward::Group;
    group.library = workload::any_group();
    bounds.push(Bound {
        name: "group",
        what: "signals to the group; 3 processes that leave groups and sessions, 2 forks, TERM",
        setting: group,
    });
    let mut hangs = Draft::new(2, 1, &["send TERM", "exec visitor"]).setting();
    let mut debugged = hangs.clone();
    hangs.faults.hang = 1;
    hangs.faults.lazy = true;
    debugged.faults.tracer = 1;
    bounds.push(Bound {
        name: "hanging",
        what: "2 processes, 1 fork, TERM, one entered process that is reaped late, a process in D",
        setting: hangs,
    });
    bounds.push(Bound {
        name: "debugged",
        what: "2 processes, 1 fork, TERM, one entered process, a tracer that holds a zombie",
        setting: debugged,
    });
    let mut traced = Draft::new(3, 2, &["send TERM"]).setting();
    traced.library = workload::usual();
    traced.main = traced.library.find("traced").expect("a test reads it");
    traced.engine = scripts(&["send USR1, send TERM", "exec respawner"], &traced);
    traced.faults.chld = 1;
    traced.faults.eintr = 1;
    traced.faults.fork = 1;
    bounds.push(Bound {
        name: "for-nothing",
        what: "3 processes, a main child traced by init, 2 forks that may fail, USR1 and TERM, one \
               entered process, a CHLD for nothing, a wait that is interrupted",
        setting: traced,
    });
    let mut told = Draft::new(2, 1, &["stop 400ms"]).setting();
    let wishes = Wishes { stop_timeout: Some(Millis(400)), ..Wishes::default() };
    told.policy.graces = wishes.plan().expect("there is room");
    told.stop_timeout = wishes.stop_timeout;
    told.faults.late = Millis(3);
    bounds.push(Bound {
        name: "stop-timeout",
        what: "2 processes, 1 fork, an engine that kills after 400 ms and a machine that is late",
        setting: told,
    });
    for (name, spawn, drain) in [
        ("failed-start", SpawnError::NotFound, TICK),
        ("no-drain", SpawnError::NoProcess, Millis(0)),
    ] {
        let mut failed = Draft::new(2, 1, &["send TERM", "exec visitor"]).setting();
        failed.faults.spawn = Some(spawn);
        failed.faults.inherited = true;
        failed.policy.graces.drain = drain;
        bounds.push(Bound {
            name,
            what: "a start that fails, with a child from before and one entered process",
            setting: failed,
        });
    }
    bounds.extend(variations());
    bounds.extend(storms());
    let mut lost = Draft::new(2, 1, &["send TERM"]).setting();
    lost.faults.stolen = 1;
    bounds.push(Bound {
        name: "main-lost",
        what: "2 processes, 1 fork, TERM, and somebody else takes the main child's report",
        setting: lost,
    });
    bounds
}

type Variation = (&'static str, &'static str, &'static [&'static str], fn(&mut Setting));

/// Two processes and one fork each: what the policy or the surroundings change.
const VARIATIONS: &[Variation] = &[
    ("long-graces", "TERM twice; every grace of two ticks", &["send TERM, send TERM"], |setting| {
        let two = Millis(2 * TICK.0);
        setting.policy.graces = Graces { stop: Some(two), drain: two, last_call: two, kill: two };
    }),
    (
        "company",
        "one entered process, which may stay alone; a drain of three ticks",
        &["exec visitor"],
        |setting| {
            setting.policy.graces.drain = Millis(3 * TICK.0);
            setting.forks = Some(0);
        },
    ),
    ("nobody-asked", "TERM; no drain grace, a stop grace", &["send TERM"], |setting| {
        setting.policy.graces.drain = Millis(0);
        setting.policy.graces.stop = Some(Millis(2 * TICK.0));
    }),
    ("no-last-call", "TERM; no last call and no kill grace", &["send TERM"], |setting| {
        setting.policy.graces.last_call = Millis(0);
        setting.policy.graces.kill = Millis(0);
    }),
    ("terminal", "Ctrl-Z, Ctrl-C; on a terminal", &["press TSTP, press INT"], |setting| {
        setting.policy.terminal = true;
    }),
    ("job", "Ctrl-Z, CONT; a subreaper on a terminal", &["press TSTP", "send CONT"], |setting| {
        setting.policy = Policy { terminal: true, graces: SHORT, ..calm(Role::Subreaper) };
        setting.processes = 5;
    }),
    ("plain", "TERM; neither PID 1 nor a subreaper", &["send TERM"], |setting| {
        setting.policy = Policy { graces: SHORT, ..calm(Role::Plain) };
        setting.processes = 5;
    }),
    ("to-all", "USR1, TERM; signals to everybody", &["send USR1, send TERM"], |setting| {
        setting.policy.forward = Forward::All;
    }),
    (
        "other-signals",
        "HUP becomes TERM, INT nothing; others are asked with HUP; 143 is 0",
        &["send HUP, send INT"],
        |setting| {
            setting.policy.rewrites.set(Signal::HUP, Some(Signal::TERM));
            setting.policy.rewrites.set(Signal::INT, None);
            setting.policy.drain_signal = Signal::HUP;
            setting.policy.exit_map.set(143, 0);
        },
    ),
    (
        "stood-still",
        "STOP and CONT to init, TERM; it is a subreaper, whom that stops",
        &["send STOP, send CONT", "send TERM"],
        |setting| {
            setting.policy = Policy { graces: SHORT, ..calm(Role::Subreaper) };
            setting.faults.late = Millis(3);
            setting.processes = 5;
        },
    ),
    (
        "pid-1-stood-still",
        "STOP and CONT to PID 1 from outside, TERM",
        &["send STOP, send CONT", "send TERM"],
        |_| (),
    ),
    (
        "other-users",
        "TERM; init may not signal other users, and one becomes one",
        &["send TERM"],
        |setting| {
            setting.faults.eperm = true;
            setting.library = workload::any_user();
        },
    ),
    (
        "frozen-v1",
        "TERM, a short freeze and a long one; cgroup version 1",
        &["send TERM", "pause 250ms, unpause, pause 10s, unpause"],
        |setting| {
            setting.freezer = Freezer::V1;
        },
    ),
    ("early", "TERM and USR1, before init is ready, too", &["send TERM", "send USR1"], |setting| {
        setting.faults.early = true;
    }),
];

fn variations() -> impl Iterator<Item = Bound> {
    VARIATIONS.iter().map(|&(name, what, engine, vary)| {
        let mut setting = Draft::new(2, 1, engine).setting();
        vary(&mut setting);
        Bound { name, what, setting }
    })
}

/// Storms that begin with the first look.
fn storms() -> impl Iterator<Item = Bound> {
    let storm = |draft: Draft| {
        let mut setting = draft.setting();
        setting.policy.reaping.storm = NonZeroU8::new(1);
        setting
    };
    let trusted = storm(Draft::new(3, 2, &["send TERM"]));
    let mut old = storm(Draft::new(3, 2, &["send TERM"]));
    old.faults.forgetful = true;
    let mut group = storm(Draft::new(3, 2, &["send USR1, send TERM"]));
    group.policy.forward = Forward::Group;
    let subreaper = storm(Draft { role: Role::Subreaper, ..Draft::new(3, 2, &["send TERM"]) });
    let mut later = storm(Draft::new(3, 2, &["send TERM"]));
    later.policy.reaping.storm = NonZeroU8::new(2);
    [
        ("storm", "a storm; 3 processes, 2 forks, TERM", trusted),
        ("storm-by-pid", "a storm, an older kernel; 3 processes, 2 forks, TERM", old),
        ("storm-group", "a storm, to the group; 3 processes, 2 forks, USR1, TERM", group),
        ("storm-subreaper", "a storm below a subreaper; 3 processes, 2 forks, TERM", subreaper),
        ("storm-later", "a storm after two looks; 3 processes, 2 forks, TERM", later),
    ]
    .into_iter()
    .map(|(name, what, setting)| Bound { name, what, setting })
}

/// A bound of one's own.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The role.
    pub role: Role,
    /// The most processes at a time besides init.
    pub processes: u16,
    /// The most forks.
    pub forks: u8,
    /// How often TERM is sent.
    pub stops: u8,
    /// How many processes enter.
    pub visitors: u8,
    /// How often the container is frozen.
    pub freezes: u8,
    /// How many ticks each grace has.
    pub ticks: u8,
}

/// The world of that bound.
pub fn asked(asked: &Asked) -> Setting {
    let tick = Millis(TICK.0 * u32::from(asked.ticks));
    let graces = Graces { stop: None, drain: tick, last_call: tick, kill: tick };
    let draft = Draft { graces, role: asked.role, ..Draft::new(asked.processes, asked.forks, &[]) };
    let mut setting = draft.setting();
    let one_script = [("send TERM", asked.stops), ("pause 1s, unpause", asked.freezes)];
    for (text, times) in one_script.into_iter().filter(|(_, times)| *times > 0) {
        let text = vec![text; usize::from(times)].join(", ");
        setting.engine.extend(scripts(&[&text], &setting));
    }
    for _ in 0..asked.visitors {
        setting.engine.extend(scripts(&["exec visitor"], &setting));
    }
    setting
}

/// What takes minutes and gigabytes.
pub fn large() -> Vec<Bound> {
    vec![
        Bound {
            name: "four-and-a-freeze",
            what: "4 processes, 3 forks, TERM twice, one freeze",
            setting: Draft::new(4, 3, &["send TERM, send TERM", "pause 1s, unpause"]).setting(),
        },
        Bound {
            name: "four-and-a-visitor",
            what: "4 processes, 2 forks, TERM, one entered process",
            setting: Draft::new(4, 2, &["send TERM", "exec visitor"]).setting(),
        },
        Bound {
            name: "all-at-once",
            what: "3 processes, 2 forks, TERM twice, one entered process, one freeze",
            setting: Draft::new(
                3,
                2,
                &["send TERM, send TERM", "exec visitor", "pause 1s, unpause"],
            )
            .setting(),
        },
    ]
}
