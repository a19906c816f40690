//! The scripts of the table as programs of the simulator (`sim/src/program.rs` has the words).
//!
//! A trap for a signal that a case does not send is left out where it makes no difference, so that
//! what the case is about can be seen.

macro_rules! worker {
    ($script:literal) => {
        concat!(
            "program script\n",
            $script,
            "\nprogram worker\n    on TERM goto save\n  idle: pause; goto idle\n",
            "  save: sleep 250ms; exit 42\n"
        )
    };
    // One that INT reaches, because the script does not start it with `&`.
    (int $script:literal) => {
        concat!(
            "program script\n",
            $script,
            "\nprogram worker\n    on TERM goto save; trap INT goto save\n  idle: pause; goto idle\n",
            "  save: sleep 250ms; exit 42\n"
        )
    };
}

/// A shell that waits for a command in the foreground and has no trap: TERM is at its default, and
/// INT is put off until the command has ended.
pub(crate) const FOREGROUND: &str = worker!("    spawn worker; foreground; exit status");
pub(crate) const FOREGROUND_INT: &str =
    worker!("    on INT goto noted; spawn worker; foreground; exit 130\n  noted: return");
pub(crate) const EXEC: &str = worker!("    exec worker");
pub(crate) const EXEC_INT: &str = worker!(int "    exec worker");

pub(crate) const ONE_WAIT: &str = worker!(
    "    trap TERM goto stop; background worker; wait; exit status\n  stop: kill child TERM; return"
);
pub(crate) const ONE_WAIT_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker; wait; exit status\n  \
     stop: kill child TERM; return"
);
pub(crate) const KILLS_AND_WAITS: &str = worker!(
    "    trap TERM goto stop; background worker; wait; exit status\n  \
     stop: kill child TERM; wait; return"
);
pub(crate) const KILLS_AND_WAITS_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker; wait; exit status\n  \
     stop: kill child TERM; wait; return"
);
pub(crate) const EXITS_WITH_IT: &str = worker!(
    "    trap TERM goto stop; background worker; wait; exit status\n  \
     stop: kill child TERM; wait; exit status"
);
pub(crate) const EXITS_WITH_IT_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker; wait; exit status\n  \
     stop: kill child TERM; wait; exit status"
);
pub(crate) const TWICE: &str = worker!(
    "    trap TERM goto stop; background worker; wait; wait; exit status\n  \
     stop: kill child TERM; return"
);
pub(crate) const TWICE_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker; wait; wait; exit status\n  \
     stop: kill child TERM; return"
);
pub(crate) const TRAP_REMOVED: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker; wait; trap TERM default\n    \
     trap INT default; wait; exit status\n  stop: kill child TERM; return"
);
pub(crate) const LOOP: &str = worker!(
    "    trap TERM goto stop; background worker\n  again: wait; while-child again; exit status\n  \
     stop: kill child TERM; return"
);
pub(crate) const LOOP_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker\n  \
     again: wait; while-child again; exit status\n  stop: kill child TERM; return"
);
pub(crate) const LOOP_AND_WAIT: &str = worker!(
    "    trap TERM goto stop; background worker\n  again: wait; while-child again; wait; exit status\n  \
     stop: kill child TERM; return"
);
pub(crate) const LOOP_AND_WAIT_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker\n  \
     again: wait; while-child again; wait; exit status\n  stop: kill child TERM; return"
);
pub(crate) const INT_AS_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto interrupt; background worker; wait; wait; exit status\n  \
     stop: kill child TERM; return\n  interrupt: kill child INT; return"
);
pub(crate) const TRAP_BESIDE: &str = worker!(
    "    trap TERM goto stop; spawn worker; foreground; exit status\n  stop: kill child TERM; return"
);
pub(crate) const TRAP_BESIDE_INT: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; spawn worker; foreground; exit status\n  \
     stop: kill child TERM; return"
);
pub(crate) const NO_PID: &str = worker!(
    "    trap TERM goto stop; background worker; wait; wait; exit 0\n  \
     stop: kill child TERM; return"
);
/// bash runs an EXIT trap and then dies of the signal; a second one cuts the trap short.
pub(crate) const EXIT_TRAP: &str = worker!(
    "    on TERM goto leave; background worker; wait; exit status\n  \
     leave: on TERM goto die; unmask TERM; kill child TERM; wait\n  \
     die: on TERM default; unmask TERM; kill self TERM; exit 143"
);
pub(crate) const NO_TRAP: &str = worker!("    background worker; wait; exit status");

pub(crate) const JOB_CONTROL: &str = worker!(int
    "    trap TERM goto stop; trap INT goto stop; spawn job; wait; wait; exit status\n  \
     stop: kill child INT; return\nprogram job\n    setpgid; exec worker"
);
pub(crate) const INT_ONLY: &str = worker!(
    "    trap TERM goto stop; trap INT goto stop; background worker; wait; wait\n    \
                     exit status\n  stop: kill child INT; return"
);
/// dash and busybox catch INT, to die of it themselves; as PID 1 they cannot.
pub(crate) const DIES_OF_INT_ITSELF: &str = worker!(
    "    on INT goto leave; background worker; wait; exit status\n  \
                     leave: on INT default; unmask INT; kill self INT; exit 130"
);
pub(crate) const GROUP: &str = worker!(
    "    trap TERM goto stop; background worker; wait; exit status\n  \
                     stop: trap TERM ignore; kill group TERM; wait; exit status"
);
