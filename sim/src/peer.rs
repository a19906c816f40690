//! The policies of other inits, in lastout's vocabulary, so that they can live in the same world
//! and be judged by the same laws.
//!
//! Written from what they do, as measured (peers.md): tini 0.19, dumb-init 1.2.5, catatonit
//! 0.1.7, pid1-rs 0.1.6. Only their decisions are modelled: to whom signals go, when they leave
//! and with which code. What kills or blocks them otherwise (a full log pipe, an inherited mask)
//! is no part of this world, and neither is tini's wake-up every second.

use lastout_core::{
    Effect, Event, Forward, Graces, Millis, Pid, Policy, Request, Role, Signal, SpawnError, Step,
    Target,
};

use crate::machine::{Memo, step};

/// Another init, or one of its modes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[allow(missing_docs, reason = "they are names")]
pub enum Peer {
    Tini,
    TiniGroup,
    DumbInit,
    DumbInitSingle,
    Catatonit,
    Pid1Rs,
}

/// pid1-rs gives each stage so much (`-t`, 2 s).
const PID1_RS_GRACE: Millis = Millis(2000);

impl Peer {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Tini,
        Self::TiniGroup,
        Self::DumbInit,
        Self::DumbInitSingle,
        Self::Catatonit,
        Self::Pid1Rs,
    ];

    /// As it is called on the command line of a container.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tini => "tini",
            Self::TiniGroup => "tini -g",
            Self::DumbInit => "dumb-init",
            Self::DumbInitSingle => "dumb-init -c",
            Self::Catatonit => "catatonit",
            Self::Pid1Rs => "pid1-rs",
        }
    }

    /// The peer of that name, with a dash in place of a blank if you like.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|peer| {
            peer.name() == name || peer.name().replace(' ', "") == name.replace(' ', "")
        })
    }

    /// What the laws expect of it: to whom it means to send signals, and what it rewrites. It
    /// knows no graces; it is judged by those that lastout has.
    pub fn policy(self, graces: Graces) -> Policy {
        let mut policy = Policy { graces, ..Policy::new(Role::Pid1) };
        policy.reaping.storm = None;
        if self.is_group() {
            policy.forward = Forward::Group;
        }
        if self == Self::DumbInit {
            for signal in [Signal::TSTP, Signal::TTIN, Signal::TTOU] {
                policy.rewrites.set(signal, Some(Signal::STOP));
            }
        }
        policy
    }

    const fn is_group(self) -> bool {
        matches!(self, Self::TiniGroup | Self::DumbInit)
    }

    fn target(self, main: Pid) -> Target {
        if self.is_group() { Target::Group(main) } else { Target::Main(main) }
    }

    const fn code(self, error: SpawnError) -> u8 {
        match (self, error) {
            (Self::Tini | Self::TiniGroup, SpawnError::NotFound) => 127,
            (Self::Tini | Self::TiniGroup, SpawnError::NotExecutable) => 126,
            (Self::DumbInit | Self::DumbInitSingle, _) => 2,
            _ => 1,
        }
    }

    /// What it does about `event`.
    pub fn step(self, memo: &mut Memo, policy: &Policy, event: Event) -> Step {
        match event {
            Event::Spawned(pid) => {
                memo.main = Some(pid);
                step([], Request::Wait)
            }
            Event::SpawnFailed(error) => step([], Request::Exit(self.code(error))),
            Event::Signal { signal: Signal::CHLD, .. } => step([], Request::Reap),
            Event::Signal { signal, value: _ } => self.signalled(memo, policy, signal),
            Event::Reaped(pid, status) if memo.main == Some(pid) && memo.code.is_none() => {
                let code = status.code();
                memo.code = Some(code);
                match self {
                    // It signals the pid or group that it has just reaped, and is gone.
                    Self::DumbInit | Self::DumbInitSingle => {
                        let kill = kill(self.target(pid), Signal::TERM);
                        step([kill], Request::Exit(code))
                    }
                    Self::Pid1Rs => step([], Request::Exit(code)),
                    Self::Tini | Self::TiniGroup | Self::Catatonit => step([], Request::Reap),
                }
            }
            Event::Reaped(..) | Event::Stopped(..) | Event::Continued(_) => step([], Request::Reap),
            // tini calls it fatal; dumb-init aborts; catatonit and pid1-rs never let it go on.
            Event::Trapped(..) => match self {
                Self::Tini | Self::TiniGroup => step([], Request::Exit(1)),
                Self::DumbInit | Self::DumbInitSingle => step([], Request::Exit(134)),
                Self::Catatonit | Self::Pid1Rs => step([], Request::Reap),
            },
            // They never settle, and never let the kernel reap.
            Event::Chld(_) | Event::Settled | Event::Proven(..) => step([], Request::Reap),
            Event::NoneReady | Event::NoChildren | Event::Alone | Event::Company => {
                match memo.code {
                    Some(code) => step([], Request::Exit(code)),
                    None => step([], Request::Wait),
                }
            }
            Event::Alarm { .. } => Self::escalates(memo),
        }
    }

    fn signalled(self, memo: &mut Memo, policy: &Policy, signal: Signal) -> Step {
        let Some(main) = memo.main.filter(|_| memo.code.is_none()) else {
            return step([], self.after_signal());
        };
        match self {
            Self::Pid1Rs if !matches!(signal, Signal::TERM | Signal::INT) || memo.count > 0 => {
                step([], Request::Wait)
            }
            Self::Pid1Rs => {
                // INT has a stage more than TERM.
                memo.count = if signal == Signal::TERM { 2 } else { 1 };
                let alarm = Effect::SetAlarm(PID1_RS_GRACE);
                step([kill(Target::Main(main), signal), alarm], Request::Wait)
            }
            _ => {
                let signal = policy.rewrites.apply(signal);
                let kill = signal.map(|signal| kill(self.target(main), signal));
                step(kill, self.after_signal())
            }
        }
    }

    /// tini reaps after each signal, whichever it was.
    const fn after_signal(self) -> Request {
        if matches!(self, Self::Tini | Self::TiniGroup) { Request::Reap } else { Request::Wait }
    }

    fn escalates(memo: &mut Memo) -> Step {
        let Some(main) = memo.main.filter(|_| memo.code.is_none()) else {
            return step([], Request::Wait);
        };
        memo.count += 1;
        if memo.count == 2 {
            let alarm = Effect::SetAlarm(PID1_RS_GRACE);
            return step([kill(Target::Main(main), Signal::TERM), alarm], Request::Reap);
        }
        step([kill(Target::Main(main), Signal::KILL)], Request::Reap)
    }
}

const fn kill(target: Target, signal: Signal) -> Effect {
    Effect::Kill { target, signal, value: None }
}
