//! What can happen to an init.

use crate::signal::Signal;
use crate::status::Status;
use crate::step::{Pid, Request};
use crate::time::Millis;

/// Something that happened: always the answer to the last [`Request`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Event {
    /// The main child runs: its program has been executed.
    Spawned(Pid),
    /// The main child could not be started; nothing of it is left.
    SpawnFailed(SpawnError),
    /// A signal was taken.
    Signal {
        /// Which one.
        signal: Signal,
        /// The value that came with it, if it was queued with one (sigqueue(3)).
        value: Option<u64>,
    },
    /// While settling, CHLD was taken, and it names this child: one of the many, perhaps, that it
    /// stands for (K30).
    Chld(Pid),
    /// While settling, nothing came for as long as it was to be quiet.
    Settled,
    /// The alarm is over. It answers whatever request is outstanding, before anything else
    /// can, so that neither a flood of signals nor one of deaths puts it off (L2).
    Alarm {
        /// How much too late: more than a busy machine explains means that the whole
        /// container stood still (frozen, K97).
        late: Millis,
    },
    /// A child ended and is reaped: its pid is free from now on (K37).
    Reaped(Pid, Status),
    /// The same, and the kernel still told how it had ended when nobody could wait for it any
    /// more: so the kernel can reap in our stead (K109).
    Proven(Pid, Status),
    /// A child was stopped.
    Stopped(Pid, Signal),
    /// A child that made us its tracer (`PTRACE_TRACEME`) stands still before this signal,
    /// and would for ever.
    Trapped(Pid, Signal),
    /// A stopped child was continued.
    Continued(Pid),
    /// There are children, but none has anything to report; or not that one, if one was asked
    /// about.
    NoneReady,
    /// There are no children.
    NoChildren,
    /// Nobody else is alive in the PID namespace.
    Alone,
    /// Somebody is alive who is not our child: entered from outside (`docker exec`, K48).
    Company,
}

/// Why the main child could not be started.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpawnError {
    /// There is no such program.
    NotFound,
    /// There is one, but it cannot be executed.
    NotExecutable,
    /// No process could be made.
    NoProcess,
}

impl SpawnError {
    /// The exit code of it: 127, 126 as shells have them (K90), 125 for what is our own.
    pub const fn code(self) -> u8 {
        match self {
            Self::NotFound => 127,
            Self::NotExecutable => 126,
            Self::NoProcess => crate::machine::OWN_FAILURE,
        }
    }
}

impl Request {
    /// Can `event` be the answer to this request? Every kernel, real or simulated, keeps to it.
    pub const fn admits(self, event: Event) -> bool {
        match self {
            Self::Spawn => matches!(event, Event::Spawned(_) | Event::SpawnFailed(_)),
            Self::Wait => matches!(event, Event::Signal { .. } | Event::Alarm { .. }),
            Self::Settle(_) => matches!(
                event,
                Event::Signal { .. } | Event::Chld(_) | Event::Settled | Event::Alarm { .. }
            ),
            Self::Watch(main) => match event {
                Event::Signal { .. } | Event::Alarm { .. } => true,
                Event::Reaped(pid, _) => pid.number() == main.number(),
                _ => false,
            },
            Self::Reap => is_report(event) || matches!(event, Event::NoChildren),
            Self::Prove(main) => match event {
                Event::Proven(pid, _) => pid.number() != main.number(),
                _ => is_report(event) || matches!(event, Event::NoChildren),
            },
            Self::ReapOne(child) => match event {
                Event::Reaped(pid, _)
                | Event::Stopped(pid, _)
                | Event::Trapped(pid, _)
                | Event::Continued(pid) => pid.number() == child.number(),
                _ => matches!(event, Event::NoneReady | Event::Alarm { .. }),
            },
            Self::Census => matches!(event, Event::Alone | Event::Company | Event::Alarm { .. }),
            Self::Exit(_) => false,
        }
    }
}

/// What every request for a report can be answered with.
const fn is_report(event: Event) -> bool {
    matches!(
        event,
        Event::Reaped(..)
            | Event::Stopped(..)
            | Event::Trapped(..)
            | Event::Continued(_)
            | Event::NoneReady
            | Event::Alarm { .. }
    )
}
