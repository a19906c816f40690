//! The laws, each as a check of one life.

use std::collections::BTreeMap;

use lastout_core::machine::{FROZEN, OWN_FAILURE, TICK};
use lastout_core::step::MAX_EFFECTS;
use lastout_core::{
    Effect, Event, Forward, Millis, Notice, Pid, Policy, Request, Role, Signal, Target,
};

use crate::trace::{Did, Moment, Trace};

pub(crate) struct Law {
    pub(crate) number: &'static str,
    pub(crate) sentence: &'static str,
    check: fn(&Trace) -> Result<(), Broken>,
}

/// Where in the life, and what is wrong there.
#[derive(Debug)]
struct Broken {
    at: usize,
    what: String,
}

fn broken(at: usize, what: impl Into<String>) -> Result<(), Broken> {
    let what = what.into();
    Err(Broken { at, what })
}

macro_rules! laws {
    ($($number:literal $check:ident $sentence:literal)*) => {
        pub(crate) const LAWS: &[Law] = &[$(
            Law { number: $number, sentence: $sentence, check: $check },
        )*];
    };
}

laws! {
    "S1" exit_code "the exit code is the main child's, remapped or not"
    "S2" no_stale_pid "no pid is signalled after it was reaped"
    "S3" no_overlooked_report "when the machine waits and a child is waitable, CHLD is pending"
    "S4" sent_on_once "each forwardable signal taken while the main child is unreaped is sent on exactly once, in order"
    "S5" chld_is_ours "CHLD is never forwarded"
    "S6" nothing_after_exit "nothing happens after exit"
    "S7" one_alarm "at most one alarm is armed"
    "S8" small_steps "at most a fixed number of effects a step"
    "S9" all_as_pid_1 "kill(-1) only as PID 1"
    "S10" asked_before_killed "nobody who existed when the last call began is killed unasked"
    "S11" whole_grace "whoever existed when the drain began has the whole drain grace before any SIGKILL, on a clock that counts only time in which it could run"
    "L1" way_out "from every reachable state there is a way to exit"
    "L2" gone_in_time "after the main child's end, init is gone within drain grace + last call + kill grace"
    "L3" nobody_left "an exit before the kill grace ran out leaves nobody"
    "L4" before_the_engine "with a stop time-out T told, everything is over before T"
}

impl Law {
    /// The complaint, if this life breaks the law.
    pub(crate) fn judge(&self, trace: &Trace) -> Result<(), String> {
        (self.check)(trace).map_err(|Broken { at, what }| {
            let lines = trace.moments.iter().enumerate().map(|(i, moment)| {
                let mark = if i == at { "=>" } else { "  " };
                format!("{mark} {moment}\n")
            });
            let life: String = lines.collect();
            let (number, sentence) = (self.number, self.sentence);
            format!("{number} ({sentence}) is broken: {what}\n   {}\n{life}", trace.policy)
        })
    }
}

// --------------------------------------------------------------------- what the laws look at

/// What is known at a moment of a life from the moments before it.
#[derive(Clone, Default)]
struct Known {
    main: Option<Pid>,
    main_was: Option<Pid>,
    /// The exit code that follows from what happened.
    code: Option<u8>,
    askings: usize,
    killed: bool,
    passed: u32,
    frozen: u32,
    freezes: u32,
    exit: Option<Request>,
    /// Who is alive: has it been asked?
    alive: BTreeMap<u32, bool>,
}

impl Known {
    fn learn(&mut self, policy: &Policy, moment: &Moment) {
        match moment {
            Moment::Born(id) => {
                self.alive.insert(*id, false);
            }
            Moment::Gone(id) => {
                self.alive.remove(id);
            }
            Moment::Passed(span) => self.passed += span.0,
            Moment::Frozen(span) => {
                self.frozen += span.0;
                self.freezes += 1;
            }
            Moment::Ready { .. } | Moment::Unready | Moment::NoWayOut => (),
            Moment::Did(did) => {
                self.learn_event(policy, did.event);
                if asks_everybody(policy, did) {
                    self.askings += 1;
                    self.alive.values_mut().for_each(|asked| *asked = true);
                }
                self.killed |= kills_everybody(did);
                if let exit @ Request::Exit(_) = did.next {
                    self.exit.get_or_insert(exit);
                }
            }
        }
    }

    fn learn_event(&mut self, policy: &Policy, event: Event) {
        if self.exit.is_some() {
            return;
        }
        match event {
            Event::Spawned(pid) => (self.main, self.main_was) = (Some(pid), Some(pid)),
            Event::SpawnFailed(error) => self.code = Some(error.code()),
            Event::Reaped(_, status) if self.ends_main(event) => {
                self.main = None;
                self.code = Some(policy.exit_map.apply(status));
            }
            Event::NoChildren if self.ends_main(event) => {
                self.main = None;
                self.code = Some(OWN_FAILURE);
            }
            _ => (),
        }
    }

    /// Does this tell that the main child is no more?
    fn ends_main(&self, event: Event) -> bool {
        match event {
            Event::Reaped(pid, _) => self.main == Some(pid),
            Event::NoChildren => self.main.is_some(),
            _ => false,
        }
    }
}

/// Each moment with what was known before it.
fn walk(
    trace: &Trace,
    mut look: impl FnMut(usize, &Known, &Moment) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut known = Known::default();
    for (at, moment) in trace.moments.iter().enumerate() {
        look(at, &known, moment)?;
        known.learn(&trace.policy, moment);
    }
    Ok(())
}

/// The steps up to and including the exit.
fn steps(
    trace: &Trace,
    mut look: impl FnMut(usize, &Known, &Did) -> Result<(), Broken>,
) -> Result<(), Broken> {
    walk(trace, |at, known, moment| match moment {
        Moment::Did(did) if known.exit.is_none() => look(at, known, did),
        _ => Ok(()),
    })
}

fn kills(did: &Did) -> impl Iterator<Item = (Target, Signal, Option<u64>)> {
    did.effects.iter().filter_map(|effect| match *effect {
        Effect::Kill { target, signal, value } => Some((target, signal, value)),
        _ => None,
    })
}

const fn everybody(policy: &Policy) -> Target {
    match policy.role {
        Role::Pid1 => Target::All,
        Role::Subreaper | Role::Plain => Target::Descendants,
    }
}

fn asks_everybody(policy: &Policy, did: &Did) -> bool {
    let asked =
        |by| kills(did).any(|(target, signal, _)| target == everybody(policy) && signal == by);
    asked(policy.drain_signal) && asked(Signal::CONT)
}

fn kills_everybody(did: &Did) -> bool {
    kills(did).any(|(_, signal, _)| signal == Signal::KILL)
}

/// Is somebody killed by this step: by init, or by its end as PID 1?
fn is_deadly(policy: &Policy, known: &Known, did: &Did) -> bool {
    let by_exit = matches!(did.next, Request::Exit(_)) && policy.role == Role::Pid1;
    kills_everybody(did) || by_exit && !known.alive.is_empty()
}

// --------------------------------------------------------------------------------- the laws

fn exit_code(trace: &Trace) -> Result<(), Broken> {
    steps(trace, |at, known, did| {
        let mut known = known.clone();
        known.learn(&trace.policy, &Moment::Did(did.clone()));
        match (did.next, known.code) {
            (Request::Exit(code), Some(expected)) if code != expected => {
                broken(at, format!("it leaves with {code}, not with {expected}"))
            }
            // Nobody told how it ended: only after SIGKILL, and then that is its end.
            (Request::Exit(code), None) if !known.killed || code != 137 => {
                broken(at, format!("it leaves with {code}, the main child unreaped"))
            }
            _ => Ok(()),
        }
    })
}

fn no_stale_pid(trace: &Trace) -> Result<(), Broken> {
    steps(trace, |at, known, did| {
        let main = known.main.filter(|_| !known.ends_main(did.event));
        for effect in &did.effects {
            let fine = match *effect {
                Effect::Kill { target: Target::Main(pid) | Target::Group(pid), .. }
                | Effect::ForegroundMain(pid) => main == Some(pid),
                Effect::Detach(pid, _) => {
                    matches!(did.event, Event::Trapped(trapped, _) if trapped == pid)
                }
                Effect::Kill { .. }
                | Effect::SetAlarm(_)
                | Effect::ForegroundOwn
                | Effect::StopSelf
                | Effect::Say(_) => true,
            };
            if !fine {
                return broken(at, format!("\"{effect}\", but that is not ours any more"));
            }
        }
        Ok(())
    })
}

fn no_overlooked_report(trace: &Trace) -> Result<(), Broken> {
    let (mut waitable, mut pending) = (0_u32, false);
    walk(trace, |at, known, moment| {
        match moment {
            Moment::Ready { announced } => {
                waitable += 1;
                pending |= announced;
            }
            Moment::Unready => waitable -= 1,
            Moment::Did(did) if known.exit.is_none() => {
                match did.event {
                    Event::Signal { signal: Signal::CHLD, .. } => pending = false,
                    Event::Reaped(..)
                    | Event::Stopped(..)
                    | Event::Trapped(..)
                    | Event::Continued(_) => waitable -= 1,
                    _ => (),
                }
                if did.next == Request::Wait && waitable > 0 && !pending {
                    return broken(at, format!("it waits, with {waitable} reports untaken"));
                }
            }
            _ => (),
        }
        Ok(())
    })
}

fn sent_on_once(trace: &Trace) -> Result<(), Broken> {
    let policy = &trace.policy;
    let cont = |known: &Known, (target, signal, _): (Target, Signal, Option<u64>)| {
        let main = known.main;
        signal == Signal::CONT
            && (main.map(Target::Main) == Some(target) || main.map(Target::Group) == Some(target))
    };
    steps(trace, |at, known, did| {
        let mut kills = kills(did);
        if let Event::Signal { signal, value } = did.event
            && signal != Signal::CHLD
        {
            let stop = policy.stop_signals.contains(signal);
            let after_asking = known.askings > 0 || known.killed;
            let expected = policy.rewrites.apply(signal).and_then(|becomes| {
                if stop && after_asking {
                    return Some((everybody(policy), becomes, None));
                }
                known.main.map(|pid| match policy.forward {
                    Forward::Main => (Target::Main(pid), becomes, value),
                    Forward::Group => (Target::Group(pid), becomes, None),
                    Forward::All => (everybody(policy), becomes, None),
                })
            });
            if kills.next() != expected || kills.any(|more| !stop || !cont(known, more)) {
                return broken(at, format!("expected {expected:?} and no more"));
            }
            return Ok(());
        }
        let asks = asks_everybody(policy, did);
        let own = |kill: (Target, Signal, Option<u64>)| {
            let (target, signal, _) = kill;
            let asking = asks && [policy.drain_signal, Signal::CONT].contains(&signal);
            let to_all = target == everybody(policy) && (asking || signal == Signal::KILL);
            let wake = matches!(did.event, Event::Stopped(..)) && cont(known, kill);
            to_all || wake
        };
        match kills.find(|&kill| !own(kill)) {
            Some(kill) => broken(at, format!("{kill:?}, but nobody sent that")),
            None => Ok(()),
        }
    })
}

fn chld_is_ours(trace: &Trace) -> Result<(), Broken> {
    steps(trace, |at, _, did| {
        let is_chld = matches!(did.event, Event::Signal { signal: Signal::CHLD, .. });
        if is_chld && !did.effects.is_empty() {
            return broken(at, "CHLD leads to something else than reaping");
        }
        if kills(did).any(|(_, signal, _)| signal == Signal::CHLD) {
            return broken(at, "somebody is sent CHLD");
        }
        Ok(())
    })
}

fn nothing_after_exit(trace: &Trace) -> Result<(), Broken> {
    walk(trace, |at, known, moment| match (moment, known.exit) {
        (Moment::Did(did), Some(exit)) if !did.effects.is_empty() || did.next != exit => {
            broken(at, format!("it had left with \"{exit}\""))
        }
        _ => Ok(()),
    })
}

fn one_alarm(trace: &Trace) -> Result<(), Broken> {
    let mut has_reason = false;
    steps(trace, |at, _, did| {
        let stop = matches!(did.event, Event::Signal { signal, .. }
            if trace.policy.stop_signals.contains(signal) && trace.policy.graces.stop.is_some());
        has_reason |= stop || asks_everybody(&trace.policy, did) || kills_everybody(did);
        let alarms = did.effects.iter().filter(|e| matches!(e, Effect::SetAlarm(_)));
        match alarms.count() {
            0 => Ok(()),
            1 if has_reason => Ok(()),
            1 => broken(at, "an alarm, though no grace runs"),
            _ => broken(at, "two alarms in a step"),
        }
    })
}

fn small_steps(trace: &Trace) -> Result<(), Broken> {
    steps(trace, |at, _, did| match did.effects.len() {
        ..=MAX_EFFECTS => Ok(()),
        more => broken(at, format!("{more} effects")),
    })
}

fn all_as_pid_1(trace: &Trace) -> Result<(), Broken> {
    steps(trace, |at, _, did| {
        let wrong = match everybody(&trace.policy) {
            Target::All => Target::Descendants,
            _ => Target::All,
        };
        if kills(did).any(|(target, ..)| target == wrong) {
            return broken(at, format!("\"{wrong}\" as {}", trace.policy.role));
        }
        Ok(())
    })
}

/// Without a drain grace the operator wants nobody asked, and this law does not hold.
fn asked_before_killed(trace: &Trace) -> Result<(), Broken> {
    let graces = trace.policy.graces;
    if graces.drain.is_zero() {
        return Ok(());
    }
    // Without a last call, the asking is the last one.
    let begins = |known: &Known, did: &Did| {
        let says = |notice| did.effects.contains(&Effect::Say(notice));
        if graces.last_call.is_zero() {
            says(Notice::StopGraceOver) || known.ends_main(did.event)
        } else {
            says(Notice::DrainGraceOver)
        }
    };
    let mut there: Option<Vec<u32>> = None;
    steps(trace, |at, known, did| {
        if begins(known, did) {
            there.get_or_insert(known.alive.keys().copied().collect());
        }
        let unasked = |&(&id, &asked): &(&u32, &bool)| {
            !asked && there.as_ref().is_none_or(|there| there.contains(&id))
        };
        if is_deadly(&trace.policy, known, did)
            && let Some((id, _)) = known.alive.iter().find(unasked)
        {
            return broken(at, format!("{id} is killed unasked"));
        }
        Ok(())
    })
}

fn whole_grace(trace: &Trace) -> Result<(), Broken> {
    let graces = trace.policy.graces;
    let (mut first, mut last) = (None, None);
    steps(trace, |at, known, did| {
        if asks_everybody(&trace.policy, did) {
            first.get_or_insert(known.passed);
            last = Some(known.passed);
        }
        if !graces.drain.is_zero() && is_deadly(&trace.policy, known, did) {
            for (since, grace) in [(first, graces.drain), (last, graces.last_call)] {
                let had = since.map_or(0, |since| known.passed - since);
                if had < grace.0 {
                    return broken(at, format!("{had} ms of {grace}"));
                }
            }
        }
        Ok(())
    })
}

fn way_out(trace: &Trace) -> Result<(), Broken> {
    walk(trace, |at, _, moment| match moment {
        Moment::NoWayOut => broken(at, "it never leaves, though everybody else is dead"),
        _ => Ok(()),
    })
}

/// The clock counts a tick when it is over, so a grace may be longer by the lateness of its
/// last tick, and a tick that was frozen is run again.
fn gone_in_time(trace: &Trace) -> Result<(), Broken> {
    let graces = trace.policy.graces;
    let all = graces.drain.0 + graces.last_call.0 + graces.kill.0 + 3 * FROZEN.0;
    let mut ended: Option<(u32, u32)> = None;
    walk(trace, |at, known, _| {
        let over = known.main.is_none() && known.main_was.is_some() || known.askings > 0;
        if over && known.exit.is_none() {
            let (passed, freezes) = *ended.get_or_insert((known.passed, known.freezes));
            let had = known.passed - passed;
            let most = all + (known.freezes - freezes) * (TICK.0 + FROZEN.0);
            if had > most {
                return broken(at, format!("{had} ms after the main child's end, it is there"));
            }
        }
        Ok(())
    })
}

/// Without a drain grace we leave with the main child, and this law does not hold.
fn nobody_left(trace: &Trace) -> Result<(), Broken> {
    let graces = trace.policy.graces;
    if graces.drain.is_zero() {
        return Ok(());
    }
    steps(trace, |at, known, did| {
        let over = did.effects.contains(&Effect::Say(Notice::KillGraceOver))
            || graces.kill.is_zero() && kills_everybody(did);
        let exit = matches!(did.next, Request::Exit(_));
        if exit && !over && !known.alive.is_empty() {
            return broken(at, format!("{:?} are left", known.alive.keys()));
        }
        Ok(())
    })
}

/// The engine's clock runs on, also while we are frozen.
fn before_the_engine(trace: &Trace) -> Result<(), Broken> {
    let Some(Millis(timeout)) = trace.stop_timeout else {
        return Ok(());
    };
    let mut told = None;
    walk(trace, |at, known, moment| {
        let now = known.passed + known.frozen;
        if told.is_some_and(|told| known.exit.is_none() && now - told > timeout) {
            return broken(at, format!("it is still there after {timeout} ms"));
        }
        if let Moment::Did(did) = moment
            && let Event::Signal { signal, .. } = did.event
            && signal != Signal::CHLD
            && trace.policy.stop_signals.contains(signal)
            && trace.policy.rewrites.apply(signal).is_some()
        {
            told.get_or_insert(now);
        }
        Ok(())
    })
}
