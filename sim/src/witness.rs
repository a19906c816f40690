//! What a set of lives must have seen, or it is worthless: DESIGN.md's *sometimes*.

use lastout_core::{Pid, SignalSet};

macro_rules! witnesses {
    ($($name:ident $what:literal;)*) => {
        /// Something that happens sometimes.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Witness {
            $(#[doc = $what] $name,)*
        }

        impl Witness {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// In words.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what),* }
            }
        }
    };
}

witnesses! {
    StartFailed "a start that failed";
    OrphanAdopted "an orphan adopted";
    TwoDeaths "two deaths under one CHLD";
    SignalBetween "a signal between death and reap";
    BornWhileDraining "a process born between the first asking and the last call";
    Escalated "escalation to KILL";
    MainDiesOfForwarded "a main child that dies of the forwarded signal";
    MainLost "a main child that was lost";
    PidReused "a pid reused";
    EnteredOutlives "an entered process outliving the main child";
    ThawedLate "a thaw after the alarm was due";
    StopGraceOver "the stop grace over";
    KillGraceOver "the kill grace over";
    Trapped "a child traced by us";
    StoppedWoken "a stopped process woken to answer";
    ForkFailed "a fork that failed";
    LateTick "an alarm that came late";
    Settled "a storm that settled";
    Proven "an orphan on which the kernel was tried";
    KernelReaps "the kernel reaping";
}

/// What has been seen, and what must be remembered to see it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    bits: u32,
    /// The main child's pid.
    pub main: Option<Pid>,
    /// The deaths since the last CHLD.
    pub deaths: u8,
    /// The signals that were sent on.
    pub sent: SignalSet,
}

impl Seen {
    /// It has been seen.
    pub const fn set(&mut self, witness: Witness) {
        self.bits |= 1 << witness as u32;
    }

    /// Everything that one of the two has seen.
    pub const fn join(&mut self, other: Self) {
        self.bits |= other.bits;
    }

    /// Has it been seen?
    pub const fn has(self, witness: Witness) -> bool {
        self.bits & 1 << witness as u32 != 0
    }

    /// What has been seen.
    pub fn all(self) -> impl Iterator<Item = Witness> {
        Witness::ALL.iter().copied().filter(move |&witness| self.has(witness))
    }
}
