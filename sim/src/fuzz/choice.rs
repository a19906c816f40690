//! Bytes as choices: a policy, and events.

use std::num::NonZeroU8;

use arbitrary::Arbitrary;
use lastout_core::{
    Event, Forward, Graces, Millis, Pid, Policy, Request, Role, Signal, SignalSet, SpawnError,
    Status,
};

/// One of `list`, as `byte` has it.
pub(super) fn one_of<T: Copy>(list: &[T], byte: u8) -> T {
    list[usize::from(byte) % list.len()]
}

/// Signals that something special is done about, beside an equal chance for each of the 64.
const SPECIAL: [Signal; 16] = [
    Signal::TERM,
    Signal::TERM,
    Signal::TERM,
    Signal::INT,
    Signal::INT,
    Signal::CHLD,
    Signal::CHLD,
    Signal::CHLD,
    Signal::USR1,
    Signal::CONT,
    Signal::TSTP,
    Signal::TTIN,
    Signal::STOP,
    Signal::KILL,
    Signal::TRAP,
    Signal::HUP,
];

fn signal(byte: u8) -> Signal {
    let number = byte % 80 + 1;
    Signal::new(number).unwrap_or(one_of(&SPECIAL, number))
}

/// 7 is mostly the main child, as in the scenarios; few others, so that they recur.
fn pid(byte: u8) -> Pid {
    let number = one_of(&[7, 7, 7, 7, 8, 9, 1, Pid::MAX], byte);
    Pid::new(number).expect("these are pids")
}

/// None, those around a tick, and some that outlast any life.
fn grace(byte: u8) -> Millis {
    match byte {
        0..64 => Millis(one_of(&[0, 1, 49, 50, 51, 100, 250, 2000, 5000, 60_000, u32::MAX], byte)),
        _ => Millis(u32::from(byte) * 2),
    }
}

/// A policy: any that the notation can say, but for CHLD as the drain signal. The command line
/// refuses that; sent all the same, it would break S5 by the operator's will.
#[derive(Arbitrary, Clone, Copy)]
pub(super) struct PolicyBytes {
    role: u8,
    forward: u8,
    terminal: bool,
    /// 0 first: none; 255 first: all.
    stop_signals: [u8; 2],
    drain_signal: u8,
    stop_grace: bool,
    graces: [u8; 4],
    /// From 0: no rewriting. To 0: dropped.
    rewrites: [(u8, u8); 3],
    exits: [(u8, u8); 2],
    /// After how many looks a storm begins: most often soon.
    storm: u8,
}

impl PolicyBytes {
    pub(super) fn policy(self) -> Policy {
        let mut policy =
            Policy::new(one_of(&[Role::Pid1, Role::Pid1, Role::Subreaper, Role::Plain], self.role));
        policy.forward =
            one_of(&[Forward::Main, Forward::Main, Forward::Group, Forward::All], self.forward);
        policy.terminal = self.terminal;
        policy.stop_signals = match self.stop_signals[0] {
            0 => SignalSet::EMPTY,
            u8::MAX => SignalSet::FULL,
            _ => {
                self.stop_signals.map(signal).into_iter().fold(policy.stop_signals, SignalSet::with)
            }
        };
        let drain_signal = signal(self.drain_signal);
        if drain_signal != Signal::CHLD {
            policy.drain_signal = drain_signal;
        }
        let [stop, drain, last_call, kill] = self.graces.map(grace);
        policy.graces = Graces { stop: self.stop_grace.then_some(stop), drain, last_call, kill };
        for (from, to) in self.rewrites.into_iter().filter(|&(from, _)| from != 0) {
            policy.rewrites.set(signal(from), (to != 0).then(|| signal(to)));
        }
        for (from, to) in self.exits {
            policy.exit_map.set(from, to);
        }
        policy.reaping.storm = NonZeroU8::new(self.storm % 4);
        policy.reaping.by_kernel = self.storm < 192;
        policy
    }
}

/// An event.
#[derive(Arbitrary, Clone, Copy)]
pub(super) struct EventBytes {
    kind: u8,
    who: u8,
    what: u8,
    value: u8,
}

impl EventBytes {
    /// The kinds below, and how often each is among them.
    const KINDS: [u8; 23] =
        [0, 0, 1, 2, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 13, 14];

    /// Any event at all.
    pub(super) fn any(self) -> Event {
        self.of_kind(one_of(&Self::KINDS, self.kind))
    }

    /// An event that can be the answer to `request`; none to the exit.
    pub(super) fn admitted(self, request: Request) -> Option<Event> {
        let events = || Self::KINDS.map(|kind| self.of_kind(kind)).into_iter();
        let admitted = || events().filter(|&event| request.admits(event));
        match admitted().count() {
            0 => None,
            count => admitted().nth(usize::from(self.kind) % count),
        }
    }

    fn of_kind(self, kind: u8) -> Event {
        let pid = pid(self.who);
        let signal = signal(self.what);
        match kind {
            0 => Event::Spawned(pid),
            1 => Event::SpawnFailed(one_of(
                &[SpawnError::NotFound, SpawnError::NotExecutable, SpawnError::NoProcess],
                self.what,
            )),
            2 => Event::Signal { signal, value: self.value() },
            3 => Event::Alarm {
                late: Millis(one_of(&[0, 0, 0, 0, 1, 49, 50, 199, 200, 9999, u32::MAX], self.what)),
            },
            4 => Event::Reaped(pid, self.status()),
            5 => Event::Stopped(pid, signal),
            6 => Event::Trapped(pid, signal),
            7 => Event::Continued(pid),
            8 => Event::NoneReady,
            9 => Event::NoChildren,
            10 => Event::Alone,
            11 => Event::Company,
            12 => Event::Chld(pid),
            13 => Event::Settled,
            _ => Event::Proven(pid, self.status()),
        }
    }

    fn status(self) -> Status {
        match self.value % 4 {
            0 | 1 => Status::Exited(self.what),
            2 => Status::Killed { signal: signal(self.what), core: false },
            _ => Status::Killed { signal: signal(self.what), core: true },
        }
    }

    fn value(self) -> Option<u64> {
        let borders = [0, 1, 1 << 31, u64::from(u32::MAX), u64::MAX];
        (self.value >= 128).then(|| one_of(&borders, self.value))
    }
}
