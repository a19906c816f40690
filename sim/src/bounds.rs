//! The bounded worlds that are searched completely: what the ordinary tests search, and what
//! takes longer.
//!
//! In each of them everybody may do anything at any time (the programs of [`crate::workload`]),
//! within numbers that keep the search finite and short. A graces' length means nothing to a
//! search but in how many ticks it has, so they are short.

use lastout_core::{Forward, Graces, Millis, Policy, Role, SpawnError, Wishes};

use crate::engine;
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
        let policy = Policy { graces: self.graces, ..Policy::new(self.role) };
        let mut setting = Setting::new(policy, workload::any());
        // Init, and for a subreaper the machine's own init and a bystander.
        let above = if self.role == Role::Pid1 { 1 } else { 3 };
        setting.processes = self.others + above;
        setting.forks = Some(self.forks);
        setting.engine = scripts(self.engine, &setting);
        setting
    }
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
    let mut lost = Draft::new(2, 1, &["send TERM"]).setting();
    lost.faults.stolen = 1;
    bounds.push(Bound {
        name: "main-lost",
        what: "2 processes, 1 fork, TERM, and somebody else takes the main child's report",
        setting: lost,
    });
    bounds
}

/// What takes minutes and gigabytes.
pub fn large() -> Vec<Bound> {
    vec![
        Bound {
            name: "four-processes",
            what: "4 processes, 3 forks, TERM twice",
            setting: Draft::new(4, 3, &["send TERM, send TERM"]).setting(),
        },
        Bound {
            name: "four-and-a-freeze",
            what: "4 processes, 3 forks, TERM, one freeze",
            setting: Draft::new(4, 3, &["send TERM", "pause 1s, unpause"]).setting(),
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
