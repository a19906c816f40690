//! What an operator can choose, and the circumstances that an init finds itself in.
//!
//! A [`Policy`] never changes during a life, so it is not part of the machine's state: it is
//! passed to each step, and a simulator with a million states holds one.

use core::fmt;
use core::num::NonZeroU8;

use crate::signal::{Signal, SignalSet};
use crate::status::Status;
use crate::time::Millis;

/// What we are in our PID namespace.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Role {
    /// PID 1: every orphan is ours, `kill(-1)` is everybody, and our end is everybody's (K58).
    #[default]
    Pid1,
    /// Not PID 1, but the one who adopts the orphans among our descendants (K52, K53).
    Subreaper,
    /// Neither: orphans go elsewhere and are out of reach.
    Plain,
}

/// To whom a signal is sent on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Forward {
    /// To the main child alone, with the value that came with the signal.
    #[default]
    Main,
    /// To the process group that the main child was started in.
    Group,
    /// To everybody.
    All,
}

/// All that the machine needs to know beforehand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Policy {
    /// What we are.
    pub role: Role,
    /// Is the terminal ours to hand to the main child and to take back?
    pub terminal: bool,
    /// To whom signals are sent on.
    pub forward: Forward,
    /// What becomes of a signal before it is sent on.
    pub rewrites: Rewrites,
    /// The signals that mean: stop. As they are taken, before rewriting.
    pub stop_signals: SignalSet,
    /// The signal that everybody is asked to end with.
    pub drain_signal: Signal,
    /// How long each phase may last.
    pub graces: Graces,
    /// What is done when very many children end.
    pub reaping: Reaping,
    /// What becomes of the exit code.
    pub exit_map: ExitMap,
}

impl Policy {
    /// The defaults for that role.
    pub const fn new(role: Role) -> Self {
        Self {
            role,
            terminal: false,
            forward: Forward::Main,
            rewrites: Rewrites::NONE,
            stop_signals: SignalSet::EMPTY.with(Signal::TERM).with(Signal::INT),
            drain_signal: Signal::TERM,
            graces: Graces::DEFAULT,
            reaping: Reaping::DEFAULT,
            exit_map: ExitMap::IDENTITY,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new(Role::Pid1)
    }
}

/// What is done when very many children end. A look for reports goes through all children, so
/// that whoever looks at each end pays for each one that is reaped with a look at all that live
/// (240 µs among 5,000). In a storm we do better.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Reaping {
    /// After how many looks a storm begins; then the children that CHLD names are reaped by
    /// their pids, and all are looked at only when it is quiet, or after
    /// [`NAMED_PER_LOOK`](Self::NAMED_PER_LOOK) times as many. At most
    /// [`MAX_STORM`](Self::MAX_STORM). None: there are no storms.
    pub storm: Option<NonZeroU8>,
    /// May the kernel reap in a storm, if it is proven that it can (K109)? Then orphans vanish
    /// untold, and cost nothing.
    pub by_kernel: bool,
}

impl Reaping {
    /// A storm begins after eight looks: few containers have more orphans in a life, and until
    /// then each end is noticed at once.
    pub const DEFAULT: Self = Self { storm: NonZeroU8::new(8), by_kernel: true };

    /// How many children are reaped by their pids for each look that a storm begins after,
    /// before all are looked at again.
    pub const NAMED_PER_LOOK: u8 = 4;

    /// The largest `storm`: what is counted fits into a byte.
    pub const MAX_STORM: NonZeroU8 = NonZeroU8::new(u8::MAX / Self::NAMED_PER_LOOK).unwrap();
}

/// How long each phase may last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Graces {
    /// From a stop signal until everybody is asked though the main child has not ended.
    /// None: the main child may take as long as it likes.
    pub stop: Option<Millis>,
    /// From the first asking to the last call. Zero: we leave at once when the main child has
    /// ended, as other inits do.
    pub drain: Millis,
    /// From the last call to SIGKILL. Zero: there is no last call.
    pub last_call: Millis,
    /// From SIGKILL until we leave whoever does not even die of that (K59).
    pub kill: Millis,
}

impl Graces {
    /// The engine's own time-out rules over the main child; everybody else has 5 s, half of
    /// what Docker gives.
    pub const DEFAULT: Self =
        Self { stop: None, drain: Millis(5000), last_call: Millis(250), kill: Millis(2000) };
}

/// The graces that an operator named, to be completed by [`Wishes::plan`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wishes {
    /// How long the engine waits between its stop signal and its SIGKILL.
    pub stop_timeout: Option<Millis>,
    /// See [`Graces::stop`].
    pub stop: Option<Millis>,
    /// See [`Graces::drain`].
    pub drain: Option<Millis>,
    /// See [`Graces::last_call`].
    pub last_call: Option<Millis>,
    /// See [`Graces::kill`].
    pub kill: Option<Millis>,
}

/// The graces do not fit into the stop time-out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom {
    /// What they need together, with the reserve.
    pub needed: Millis,
}

impl Wishes {
    /// Plans backwards from the stop time-out T, so that all is over before T even when the
    /// main child hangs (L4): a tenth of T stays in reserve, for the killing and for a slow
    /// machine; the drain has min(5 s, T/4), the last call min(250 ms, T/40), and the rest is
    /// the main child's. What the operator named stays as it is; without T, the defaults.
    ///
    /// # Errors
    /// [`NoRoom`] when what was named does not fit into T.
    pub fn plan(self) -> Result<Graces, NoRoom> {
        let default = Graces::DEFAULT;
        let Some(Millis(t)) = self.stop_timeout else {
            return Ok(Graces {
                stop: self.stop,
                drain: self.drain.unwrap_or(default.drain),
                last_call: self.last_call.unwrap_or(default.last_call),
                kill: self.kill.unwrap_or(default.kill),
            });
        };
        let share = |named: Option<Millis>, most: Millis, part: u32| {
            named.unwrap_or(Millis(most.0.min(t / part)))
        };
        let drain = share(self.drain, default.drain, 4);
        let last_call = share(self.last_call, default.last_call, 40);
        let kill = share(self.kill, default.kill, 20);
        // Half of the reserve is the killing's, unless the operator named more for it.
        let reserve = Millis(t / 10).max(kill.plus(Millis(t / 20)));
        let rest = drain.plus(last_call).plus(reserve);
        let needed = rest.plus(self.stop.unwrap_or(Millis(1)));
        if needed > Millis(t) {
            return Err(NoRoom { needed });
        }
        let stop = Some(self.stop.unwrap_or(Millis(t).minus(rest)));
        Ok(Graces { stop, drain, last_call, kill })
    }
}

/// What becomes of each signal before it is sent on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rewrites {
    /// For signal n at n-1: what it becomes. None: it is dropped.
    to: [Option<Signal>; 64],
}

impl Rewrites {
    /// Every signal stays what it is.
    pub const NONE: Self = {
        let mut to = [None; 64];
        let mut at = 0;
        while at < 64 {
            // The numbers are 1 to 64, in a u8.
            #[allow(clippy::cast_possible_truncation)]
            let number = at as u8 + 1;
            to[at] = Signal::new(number);
            at += 1;
        }
        Self { to }
    };

    /// From now on `from` becomes `to`, or is dropped. Refused (false) where it could have no
    /// effect, or a wrong one: KILL and STOP cannot be taken, CHLD is never sent on (S5).
    pub fn set(&mut self, from: Signal, to: Option<Signal>) -> bool {
        let allowed = from.can_be_taken() && from != Signal::CHLD && to != Some(Signal::CHLD);
        if allowed {
            self.to[Self::at(from)] = to;
        }
        allowed
    }

    /// What `signal` becomes. None: it is dropped.
    pub const fn apply(&self, signal: Signal) -> Option<Signal> {
        self.to[Self::at(signal)]
    }

    /// The signals that do not stay what they are, and what they become.
    pub fn iter(&self) -> impl Iterator<Item = (Signal, Option<Signal>)> {
        SignalSet::FULL.iter().map(|from| (from, self.apply(from))).filter(|&(f, t)| t != Some(f))
    }

    /// The remainder changes nothing; but the compiler knows by it that there is such a place.
    const fn at(signal: Signal) -> usize {
        (signal.number() as usize - 1) % 64
    }
}

impl Default for Rewrites {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Rewrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What becomes of the main child's exit code.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExitMap {
    to: [u8; 256],
}

impl ExitMap {
    /// Every code stays what it is.
    pub const IDENTITY: Self = {
        let mut to = [0; 256];
        let mut code = 0;
        while code < 256 {
            // 0 to 255, in a u8.
            #[allow(clippy::cast_possible_truncation)]
            let same = code as u8;
            to[code] = same;
            code += 1;
        }
        Self { to }
    };

    /// From now on `from` becomes `to`.
    pub const fn set(&mut self, from: u8, to: u8) {
        self.to[from as usize] = to;
    }

    /// The code that stands for this end of the main child.
    pub const fn apply(&self, status: Status) -> u8 {
        self.to[status.code() as usize]
    }

    /// The codes that do not stay what they are, and what they become.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u8)> {
        (0..=u8::MAX).zip(self.to).filter(|(from, to)| from != to)
    }
}

impl Default for ExitMap {
    fn default() -> Self {
        Self::IDENTITY
    }
}

impl fmt::Debug for ExitMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(t: u32) -> Wishes {
        Wishes { stop_timeout: Some(Millis(t)), ..Wishes::default() }
    }

    /// L4, as far as it is arithmetic.
    #[test]
    fn the_whole_plan_fits_into_every_time_out_with_room_to_spare() {
        for t in (40..=10_000).chain([30_000, 60_000, 3_600_000]) {
            let g = wishes(t).plan().unwrap();
            let all = g.stop.unwrap().0 + g.drain.0 + g.last_call.0 + g.kill.0;
            assert!(all <= t - t / 20, "{t}: {g:?}");
        }
    }

    #[test]
    fn dockers_ten_seconds_are_shared_as_documented() {
        let g = wishes(10_000).plan().unwrap();
        let planned = Graces {
            stop: Some(Millis(6250)),
            drain: Millis(2500),
            last_call: Millis(250),
            kill: Millis(500),
        };
        assert_eq!(g, planned);
    }

    #[test]
    fn what_was_named_stays_and_the_stop_grace_gets_the_rest() {
        let w = Wishes { drain: Some(Millis(1000)), ..wishes(10_000) };
        assert_eq!(w.plan().unwrap().stop, Some(Millis(10_000 - 1000 - 250 - 1000)));
        let w = Wishes { stop: Some(Millis(100)), ..wishes(10_000) };
        assert_eq!(w.plan().unwrap().stop, Some(Millis(100)));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(wishes(0).plan().is_err());
        assert!(Wishes { drain: Some(Millis(10_000)), ..wishes(10_000) }.plan().is_err());
        assert!(Wishes { stop: Some(Millis(7000)), ..wishes(10_000) }.plan().is_err());
        assert!(Wishes { kill: Some(Millis(8000)), ..wishes(10_000) }.plan().is_err());
        let huge = Wishes { drain: Some(Millis(u32::MAX)), ..wishes(10_000) };
        assert!(huge.plan().is_err(), "no overflow");
    }

    #[test]
    fn without_a_time_out_the_defaults_hold_and_no_stop_grace() {
        assert_eq!(Wishes::default().plan(), Ok(Graces::DEFAULT));
    }

    #[test]
    fn rewriting_refuses_what_cannot_be_taken_and_chld() {
        let mut r = Rewrites::NONE;
        assert!(r.set(Signal::TERM, Some(Signal::INT)) && r.set(Signal::HUP, None));
        assert!(r.set(Signal::TSTP, Some(Signal::STOP)));
        for from in [Signal::KILL, Signal::STOP, Signal::CHLD] {
            assert!(!r.set(from, Some(Signal::TERM)));
        }
        assert!(!r.set(Signal::TERM, Some(Signal::CHLD)));
        assert_eq!(r.apply(Signal::TERM), Some(Signal::INT));
        assert_eq!(r.apply(Signal::HUP), None);
        assert_eq!(r.apply(Signal::USR1), Some(Signal::USR1));
        assert_eq!(r.iter().count(), 3);
    }
}
