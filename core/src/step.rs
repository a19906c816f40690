//! What an init does: a step is a few effects, whose results nobody needs, and one request,
//! whose answer is the next event.

use core::fmt::{self, Display};
use core::num::NonZeroU32;

use crate::decimal::{self, Decimal};
use crate::signal::Signal;
use crate::time::Millis;

/// A process id in our PID namespace, 1 to 2^22.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pid(NonZeroU32);

impl Pid {
    /// The largest that Linux gives: `PID_MAX_LIMIT`, proc(5).
    pub const MAX: u32 = 1 << 22;

    /// The process id of that number, if it can be one.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(n) if number <= Self::MAX => Some(Self(n)),
            _ => None,
        }
    }

    /// The process id that `text` means: digits only.
    pub fn parse(text: &[u8]) -> Option<Self> {
        u32::try_from(decimal::parse(text)?).ok().and_then(Self::new)
    }

    /// Its number.
    pub const fn number(self) -> u32 {
        self.0.get()
    }
}

impl Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal(u64::from(self.number())).fmt(f)
    }
}

impl fmt::Debug for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// Whom a signal is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// The main child. Only while it is unreaped (S2).
    Main(Pid),
    /// The process group that the main child was started in. Only while the main child is
    /// unreaped: then the number cannot be a stranger's (K37).
    Group(Pid),
    /// Everybody else in the PID namespace, in one `kill(-1)`. Only as PID 1 (S9, K49).
    All,
    /// Every descendant, found by walking. What [`Target::All`] is to PID 1, to anyone else.
    Descendants,
}

/// Something to be done whose result nobody needs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// Send a signal, with a value if one came with it and the target is the main child.
    Kill {
        /// Whom to.
        target: Target,
        /// Which one.
        signal: Signal,
        /// The value to queue with it.
        value: Option<u64>,
    },
    /// Let the alarm be over after this time, in place of any other (S7).
    SetAlarm(Millis),
    /// Make the main child's group the terminal's foreground group, if ours is it now.
    ForegroundMain(Pid),
    /// Make our own group the terminal's foreground group again (K81).
    ForegroundOwn,
    /// Stop as a job of the shell above us does (TSTP), until continued; nothing, if nobody
    /// could continue us (our group is orphaned, K72).
    StopSelf,
    /// Stop tracing a child, and let it have the signal it stood before.
    Detach(Pid, Option<Signal>),
    /// Let the kernel reap: children vanish as they end, and no CHLD is sent for any of them
    /// (K31). Only once it is proven that the main child's end can be learned all the same.
    KernelReaps,
    /// Let children become zombies again, for us to reap.
    InitReaps,
    /// Tell the operator.
    Say(Notice),
}

/// What an operator is told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Notice {
    /// The main child did not end within the stop grace; everybody is asked now.
    StopGraceOver,
    /// Not everybody ended within the drain grace; they are asked once more.
    DrainGraceOver,
    /// Whoever is left is killed now.
    Killing,
    /// Somebody does not even die of SIGKILL; we leave.
    KillGraceOver,
    /// The main child is gone and nobody told how it ended.
    MainLost,
}

/// Something whose answer is the next event.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Request {
    /// Start the main child.
    Spawn,
    /// Wait for a signal or the alarm.
    Wait,
    /// Wait for a signal or the alarm, but no longer than until nothing has come for this time.
    /// Of a CHLD it is told whom it names.
    Settle(Millis),
    /// Wait for a signal, the alarm, or the end of the main child, which the kernel reaps.
    Watch(Pid),
    /// Take one report of one child, if there is one; do not wait. The kernel looks through all
    /// children for it.
    Reap,
    /// Take a report of that child, if there is one; do not wait. The kernel looks at no other
    /// (since Linux 5.13).
    ReapOne(Pid),
    /// As Reap; and if a child is reaped, find out whether the kernel tells how it ended also
    /// when nobody can wait for it any more, and will so of the main child, which this is.
    Prove(Pid),
    /// Is anybody else alive in the PID namespace?
    Census,
    /// Leave with this exit code. There is no answer.
    Exit(u8),
}

/// The most effects that a step can have (S8): a notice, who reaps, both halves of the asking,
/// the alarm.
pub const MAX_EFFECTS: usize = 5;

/// The effects of a step, in order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Effects {
    list: [Option<Effect>; MAX_EFFECTS],
}

impl Effects {
    /// No effect.
    pub const NONE: Self = Self { list: [None; MAX_EFFECTS] };

    /// Adds one behind the others.
    pub(crate) fn push(&mut self, effect: Effect) {
        let free = self.list.iter_mut().find(|slot| slot.is_none());
        debug_assert!(free.is_some(), "S8: more than {MAX_EFFECTS} effects in a step");
        if let Some(slot) = free {
            *slot = Some(effect);
        }
    }

    /// Adds one behind the others, if there is room: for whoever writes steps that are not the
    /// machine's (the notation, another init's policy).
    pub fn try_push(&mut self, effect: Effect) -> bool {
        let room = self.list.iter().any(Option::is_none);
        if room {
            self.push(effect);
        }
        room
    }

    /// The effects, in order.
    pub fn iter(&self) -> impl Iterator<Item = Effect> {
        self.list.iter().flatten().copied()
    }

    /// Is there none?
    pub const fn is_empty(&self) -> bool {
        self.list[0].is_none()
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What the machine does about an event: perform the effects in order, then answer the request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Step {
    /// What to do first.
    pub effects: Effects,
    /// What to answer then.
    pub next: Request,
}
