//! What a shell script makes of a stop signal: every habit of scripts, with its text, its program
//! in the simulator, and what must come of both. The real shells (`live.rs`), the simulator
//! (`worlds.rs`) and the page for users (`page.rs`) are all compared with this one table.
//!
//! In a script `worker` is the process that must not be lost: on TERM, or on INT if it was not
//! started with INT ignored, it cleans up for a while and exits with 42.

/// A shell: Debian 12's bash 5.2, dash 0.5.12 and busybox 1.35.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
pub(crate) enum Shell {
    Bash,
    Dash,
    Busybox,
}

pub(crate) const ALL: &[Shell] = &[Shell::Bash, Shell::Dash, Shell::Busybox];
const BASH: &[Shell] = &[Shell::Bash];
const DASH: &[Shell] = &[Shell::Dash];
const ASHES: &[Shell] = &[Shell::Dash, Shell::Busybox];
const NOT_DASH: &[Shell] = &[Shell::Bash, Shell::Busybox];

impl Shell {
    /// How it is called to run a script.
    pub(crate) fn command(self) -> &'static [&'static str] {
        match self {
            Self::Bash => &["/bin/bash", "-c"],
            Self::Dash => &["/bin/dash", "-c"],
            Self::Busybox => &["busybox", "sh", "-c"],
        }
    }

    /// The program, which is its name, too.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Dash => "dash",
            Self::Busybox => "busybox",
        }
    }
}

/// Where the shell is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Setting {
    /// A child of some PID 1, which is sent the signal itself.
    Ordinary,
    /// PID 1, and the engine sends the signal.
    Pid1,
    /// lastout's main child, and the engine sends it to lastout.
    Lastout,
}

pub(crate) const SETTINGS: [Setting; 3] = [Setting::Ordinary, Setting::Pid1, Setting::Lastout];

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    Term,
    Int,
    /// A second one comes while the worker cleans up.
    TermTwice,
}

/// How the shell ends; under lastout, how lastout does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    Exits(u8),
    Dies(u8),
    /// Not at all: the engine's KILL has to come.
    Stays,
}

/// What becomes of the worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Worker {
    /// It is asked, by this signal, and finishes while somebody waits for it.
    Finishes(&'static str),
    /// It is asked, and killed in the middle of its clean-up.
    Cut,
    /// It is killed, and nobody has asked it.
    Killed,
    /// It is asked, and nobody waits for it.
    Left,
    /// It goes on, and nobody has asked it.
    Forgotten,
}

/// How a story ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outcome(pub(crate) End, pub(crate) Worker);

/// A stop signal sent to a script, and what comes of it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) stop: Stop,
    pub(crate) shells: &'static [Shell],
    /// The simulator's programs `script` and `worker` that do the same.
    pub(crate) program: &'static str,
    /// In the order of [`SETTINGS`].
    pub(crate) outcomes: [Outcome; 3],
}

impl Case {
    pub(crate) fn outcome(&self, setting: Setting) -> Outcome {
        let at = SETTINGS.iter().position(|&s| s == setting).expect("one of them");
        self.outcomes[at]
    }

    /// Does lastout have to be told how long it may wait for the script?
    pub(crate) fn hangs(&self) -> bool {
        self.outcome(Setting::Ordinary).0 == End::Stays
    }
}

/// A habit of scripts.
#[derive(Debug)]
pub(crate) struct Row {
    /// As part J of the facts numbers it.
    pub(crate) number: &'static str,
    pub(crate) title: &'static str,
    pub(crate) script: &'static str,
    pub(crate) cases: &'static [Case],
}

const fn case(
    stop: Stop,
    shells: &'static [Shell],
    program: &'static str,
    outcomes: [Outcome; 3],
) -> Case {
    Case { stop, shells, program, outcomes }
}

/// All's well.
const fn well(end: u8) -> Outcome {
    Outcome(End::Exits(end), Worker::Finishes("TERM"))
}

/// As [`well`], and the worker is asked by INT.
const fn well_by_int(end: u8) -> Outcome {
    Outcome(End::Exits(end), Worker::Finishes("INT"))
}

/// The shell exits and leaves the worker behind.
const fn leaves(end: u8) -> Outcome {
    Outcome(End::Exits(end), Worker::Left)
}

/// The shell exits, and the kernel kills the worker in its clean-up.
const fn cuts(end: u8) -> Outcome {
    Outcome(End::Exits(end), Worker::Cut)
}

/// The shell dies of the signal and leaves the worker behind, which knows nothing.
const fn dies(signal: u8) -> Outcome {
    Outcome(End::Dies(signal), Worker::Forgotten)
}

/// Nothing happens, until the engine kills an ordinary shell.
const STAYS: Outcome = Outcome(End::Stays, Worker::Forgotten);

/// Nothing happens, until the engine kills PID 1 and so everybody.
const DEAF: Outcome = Outcome(End::Stays, Worker::Killed);

use Stop::{Int, Term, TermTwice};

use crate::programs::*;

/// Part J of the facts, and K85's weak spots of the good patterns.
pub(crate) const ROWS: &[Row] = &[
    Row {
        number: "1",
        title: "a plain command, and more to come",
        script: "worker\necho done",
        cases: &[
            case(Term, ALL, FOREGROUND, [dies(15), DEAF, well(143)]),
            case(Int, ALL, FOREGROUND_INT, [STAYS, DEAF, well(143)]),
        ],
    },
    Row {
        number: "1b",
        title: "the shell form: `CMD worker`, which is `sh -c worker`",
        script: "worker",
        cases: &[
            case(Term, NOT_DASH, EXEC, [well(42), well(42), well(42)]),
            case(Term, DASH, FOREGROUND, [dies(15), DEAF, well(143)]),
            case(Int, NOT_DASH, EXEC_INT, [well_by_int(42), well_by_int(42), well_by_int(42)]),
            case(Int, DASH, FOREGROUND_INT, [STAYS, DEAF, well(143)]),
        ],
    },
    Row {
        number: "2",
        title: "a trap that kills, and one `wait`",
        script: "trap 'kill $P' TERM INT\nworker & P=$!\nwait $P\nrc=$?\nexit $rc",
        cases: &[
            case(Term, ALL, ONE_WAIT, [leaves(143), cuts(143), well(143)]),
            case(Int, ALL, ONE_WAIT_INT, [leaves(130), cuts(130), well(130)]),
        ],
    },
    Row {
        number: "3",
        title: "a trap that kills and waits, and the code of the main `wait`",
        script: "trap 'kill $P; wait $P' TERM INT\nworker & P=$!\nwait $P\nexit $?",
        cases: &[
            case(Term, ALL, KILLS_AND_WAITS, [well(143), well(143), well(143)]),
            case(Int, ALL, KILLS_AND_WAITS_INT, [well(130), well(130), well(130)]),
            case(TermTwice, ALL, KILLS_AND_WAITS, [well(143), well(143), well(143)]),
        ],
    },
    Row {
        number: "3b",
        title: "a trap that kills, waits, and exits with what it waited for",
        script: "trap 'kill $P; wait $P; exit $?' TERM INT\nworker & P=$!\nwait $P\nexit $?",
        cases: &[
            case(Term, ALL, EXITS_WITH_IT, [well(42), well(42), well(42)]),
            case(Int, ALL, EXITS_WITH_IT_INT, [well(42), well(42), well(42)]),
            case(TermTwice, ALL, EXITS_WITH_IT, [well(42), well(42), well(42)]),
        ],
    },
    Row {
        number: "4",
        title: "wait twice",
        script: "trap 'kill $P' TERM INT\nworker & P=$!\nwait $P\nwait $P\nexit $?",
        cases: &[
            case(Term, ALL, TWICE, [well(42), well(42), well(42)]),
            case(Int, ALL, TWICE_INT, [well(42), well(42), well(42)]),
            case(TermTwice, ALL, TWICE, [leaves(143), cuts(143), well(143)]),
        ],
    },
    Row {
        number: "4b",
        title: "wait twice, with the trap removed in between",
        script: "trap 'kill $P' TERM INT\nworker & P=$!\nwait $P\ntrap - TERM INT\nwait $P\nexit $?",
        cases: &[
            case(Term, ALL, TRAP_REMOVED, [well(42), well(42), well(42)]),
            case(Int, ALL, TRAP_REMOVED, [well(42), well(42), well(42)]),
            case(
                TermTwice,
                ALL,
                TRAP_REMOVED,
                [Outcome(End::Dies(15), Worker::Left), well(42), well(143)],
            ),
        ],
    },
    Row {
        number: "4c",
        title: "wait in a loop, as long as the worker is there",
        script: "trap 'kill $P' TERM INT\nworker & P=$!\n\
                 while kill -0 $P 2>/dev/null; do wait $P; rc=$?; done\nexit $rc",
        cases: &[
            case(Term, ALL, LOOP, [well(42), well(42), well(42)]),
            case(Int, ALL, LOOP_INT, [well(42), well(42), well(42)]),
            case(TermTwice, ALL, LOOP, [well(42), well(42), well(42)]),
        ],
    },
    Row {
        number: "4d",
        title: "wait in a loop, and once more for the code",
        script: "trap 'kill $P' TERM INT\nworker & P=$!\n\
                 while kill -0 $P 2>/dev/null; do wait $P; done\nwait $P\nexit $?",
        cases: &[
            case(Term, ALL, LOOP_AND_WAIT, [well(42), well(42), well(42)]),
            case(Int, ALL, LOOP_AND_WAIT_INT, [well(42), well(42), well(42)]),
            case(TermTwice, ALL, LOOP_AND_WAIT, [well(42), well(42), well(42)]),
        ],
    },
    Row {
        number: "4e",
        title: "wait twice, under `set -e`",
        script: "set -e\ntrap 'kill $P' TERM INT\nworker & P=$!\nwait $P\nwait $P\nexit $?",
        cases: &[
            case(Term, ALL, ONE_WAIT, [leaves(143), cuts(143), well(143)]),
            case(Int, ALL, ONE_WAIT_INT, [leaves(130), cuts(130), well(130)]),
        ],
    },
    Row {
        number: "5",
        title: "INT sent on as INT",
        script: "trap 'kill $P' TERM\ntrap 'kill -INT $P' INT\nworker & P=$!\n\
                 wait $P\nwait $P\nexit $?",
        cases: &[
            case(Term, ALL, INT_AS_INT, [well(42), well(42), well(42)]),
            case(Int, ALL, INT_AS_INT, [STAYS, DEAF, well(143)]),
            case(TermTwice, ALL, INT_AS_INT, [leaves(143), cuts(143), well(143)]),
        ],
    },
    Row {
        number: "6",
        title: "`exec`",
        script: "exec worker",
        cases: &[
            case(Term, ALL, EXEC, [well(42), well(42), well(42)]),
            case(TermTwice, ALL, EXEC, [well(42), well(42), well(42)]),
            case(Int, ALL, EXEC_INT, [well_by_int(42), well_by_int(42), well_by_int(42)]),
        ],
    },
    Row {
        number: "7",
        title: "a trap, and the worker in the foreground",
        script: "trap 'kill $P' TERM INT\nworker\nexit $?",
        cases: &[
            case(Term, ALL, TRAP_BESIDE, [STAYS, DEAF, well(42)]),
            case(Int, ALL, TRAP_BESIDE_INT, [STAYS, DEAF, well(42)]),
        ],
    },
    Row {
        number: "8",
        title: "`wait` without a pid",
        script: "trap 'kill $P' TERM\nworker & P=$!\nwait\nwait\nexit $?",
        cases: &[case(Term, ALL, NO_PID, [well(0), well(0), well(0)])],
    },
    Row {
        number: "9",
        title: "an EXIT trap only",
        script: "trap 'kill $P; wait $P' EXIT\nworker & P=$!\nwait $P\nexit $?",
        cases: &[
            case(
                Term,
                BASH,
                EXIT_TRAP,
                [Outcome(End::Dies(15), Worker::Finishes("TERM")), well(143), well(143)],
            ),
            case(Term, ASHES, NO_TRAP, [dies(15), DEAF, well(143)]),
            case(
                TermTwice,
                BASH,
                EXIT_TRAP,
                [Outcome(End::Dies(15), Worker::Left), cuts(143), well(143)],
            ),
            case(TermTwice, ASHES, NO_TRAP, [dies(15), DEAF, well(143)]),
        ],
    },
    Row {
        number: "10",
        title: "job control, and INT sent on as INT",
        script: "set -m\ntrap 'kill -INT $P' TERM INT\nworker & P=$!\nwait $P\nwait $P\nexit $?",
        cases: &[
            case(Term, BASH, JOB_CONTROL, [well_by_int(42), well_by_int(42), well_by_int(42)]),
            case(Term, ASHES, INT_ONLY, [STAYS, DEAF, well(143)]),
            case(Int, BASH, JOB_CONTROL, [well_by_int(42), well_by_int(42), well_by_int(42)]),
            case(Int, ASHES, INT_ONLY, [STAYS, DEAF, well(143)]),
        ],
    },
    Row {
        number: "11",
        title: "no trap, the worker in the background, `wait`",
        script: "worker &\nwait $!\nexit $?",
        cases: &[
            case(Term, ALL, NO_TRAP, [dies(15), DEAF, well(143)]),
            case(Int, BASH, NO_TRAP, [dies(2), DEAF, well(130)]),
            case(
                Int,
                ASHES,
                DIES_OF_INT_ITSELF,
                [dies(2), Outcome(End::Exits(130), Worker::Killed), well(130)],
            ),
        ],
    },
    Row {
        number: "12",
        title: "a trap that ignores TERM, kills the whole group and waits",
        script: "trap 'trap \"\" TERM; kill 0; wait $P; exit $?' TERM\nworker & P=$!\n\
                 wait $P\nexit $?",
        cases: &[
            case(Term, ALL, GROUP, [well(42), well(42), well(42)]),
            case(TermTwice, ALL, GROUP, [well(42), well(42), well(42)]),
        ],
    },
];
