//! The laws S1 to S13 and L1 to L5, as named checks of what happens in a world.
//!
//! A [`Watch`] goes along with a world and is a part of its state: what it has to remember is
//! finite, and time is kept as what is left. It looks at each step of the init when it is
//! decided, at each KILL when it is sent, at each wait, and at time passing. It knows nothing of
//! how the init works: the same watch judges lastout, its mutants and other inits.
//!
//! L1 is not here but in [`crate::explore`]: it is about what could happen.
//!
//! To add a law: a variant of [`Law`], its sentence, a check where it can be seen to break, a
//! mutant that breaks it ([`crate::mutant`]), and its row in ARCHITECTURE.md.
//!
//! Long, because a watch is one state, and each check is a few lines about it.

mod law;
mod sends;
#[cfg(test)]
mod tests;

use std::fmt;

use lastout_core::machine::{FROZEN, OWN_FAILURE, TICK};
use lastout_core::{Effect, Event, Millis, Pid, Policy, Request, Role, Signal, Step, Target};

use crate::kernel::{Kernel, Process, State};

pub use law::Law;
pub use sends::everybody;
use sends::{
    all_as_pid_1, asks_everybody, chld_is_ours, kills_by_itself, leaves_standing, sent_on_once,
};

/// A law is broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// Which.
    pub law: Law,
    /// How.
    pub why: String,
    /// What the same moment breaks besides.
    pub also: Vec<Law>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.law, self.law.sentence(), self.why)
    }
}

/// The verdict about a moment.
pub type Verdict = Result<(), Broken>;

/// Both verdicts of one moment; the first complaint leads.
fn both(first: Verdict, second: Verdict) -> Verdict {
    match (first, second) {
        (Err(mut first), Err(second)) => {
            first.also.extend([second.law].into_iter().chain(second.also));
            Err(first)
        }
        (Ok(()), other) | (other, Ok(())) => other,
    }
}

fn broken(law: Law, why: impl Into<String>) -> Verdict {
    Err(Broken { law, why: why.into(), also: Vec::new() })
}

/// What the laws remember of a life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact about a life")]
pub struct Watch {
    /// The main child, while it is unreaped.
    main: Option<Pid>,
    /// There has been one.
    had_main: bool,
    /// The code that init must leave with, once it is known.
    code: Option<u8>,
    /// Init has decided to leave.
    leaving: bool,
    /// Init has asked everybody: once, or twice and more.
    askings: u8,
    /// Init has sent KILL to everybody.
    killed: bool,
    /// The last call has begun, or what stands for it.
    last_call: bool,
    /// How often it was quiet for so long that init did something, since anything else happened.
    settled: u8,
    /// A grace runs, so that an alarm has a reason.
    grace: bool,
    /// A stop signal was sent on to the main child.
    told: bool,
    /// What is left of the stop grace since the main child was told.
    stop_left: Option<Millis>,
    /// What is left of the drain grace since the first asking.
    drain_left: Option<Millis>,
    /// What is left of the last call since the last asking.
    last_left: Option<Millis>,
    /// What is left of the kill grace since the first KILL.
    kill_left: Option<Millis>,
    /// What is left until init must have noticed that it is alone (L5).
    alone_left: Option<Millis>,
    /// What is left until init must be gone (L2).
    gone_left: Option<Millis>,
    /// What is left until the engine kills (L4).
    engine_left: Option<Millis>,
}

/// What the laws look at besides: what does not change in a life.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'r> {
    /// What init was told.
    pub policy: &'r Policy,
    /// How late an alarm may be at most, but for freezes.
    pub busy: Millis,
    /// Only lastout promises to sleep while nothing is to be counted (S7).
    pub idle: bool,
}

/// What a span of time was like.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact about a span")]
pub struct Span {
    /// How long it was.
    pub time: Millis,
    /// Nobody but the clocks noticed.
    pub frozen: bool,
    /// Init stood still, and nobody else.
    pub init_stopped: bool,
    /// Nobody else is alive of whom init knows or could know.
    pub alone: bool,
    /// Init has left.
    pub has_left: bool,
}

impl Watch {
    /// The main child, while it is unreaped.
    pub const fn main(&self) -> Option<Pid> {
        self.main
    }

    /// Has the last call, or what stands for it, begun?
    pub const fn last_call(&self) -> bool {
        self.last_call
    }

    /// How often everybody has been asked; 2 is twice or more often.
    pub const fn askings(&self) -> u8 {
        self.askings
    }

    /// Init decided on a step. Marks what the laws will want to know of the processes.
    ///
    /// # Errors
    /// The law that it breaks.
    pub fn step(
        &mut self,
        rules: Rules<'_>,
        kernel: &mut Kernel,
        init: Pid,
        event: Event,
        step: &Step,
    ) -> Verdict {
        let policy = rules.policy;
        // The more particular law first: what breaks one of these breaks S4 too.
        let sends = chld_is_ours(event, step)
            .and_then(|()| all_as_pid_1(policy, step))
            .and_then(|()| self.no_stale_pid(event, step))
            .and_then(|()| leaves_standing(self, policy, event, step))
            .and_then(|()| sent_on_once(self, policy, event, step));
        if self.begins_last_call(policy, event, step) && !self.last_call {
            self.last_call = true;
            for process in kernel.processes.iter_mut().filter(|p| p.is_alive()) {
                process.ghost.at_last_call = true;
            }
        }
        let sends = both(sends, self.keeps_end(kernel, init, event));
        self.learn(policy, event);
        let counts = self.count_graces(rules, event, step);
        both(sends, both(counts, self.leaves(policy, kernel, init, step)))
    }

    /// S1: whoever lets the kernel reap must be able to learn how the main child ended.
    fn keeps_end(&self, kernel: &Kernel, init: Pid, event: Event) -> Verdict {
        let stolen = kernel.reserved != 0;
        let lost = event == Event::NoChildren && self.main.is_some() && kernel.ignores_chld(init);
        if lost && !stolen {
            let why = "the kernel has reaped the main child, and tells nobody how it ended";
            return broken(Law::S1, why);
        }
        Ok(())
    }

    /// S1, S10, S11 and L3: init decides to leave.
    fn leaves(&mut self, policy: &Policy, kernel: &Kernel, init: Pid, step: &Step) -> Verdict {
        let Request::Exit(code) = step.next else {
            return Ok(());
        };
        self.leaving = true;
        let mut verdict = self.exit_code(code);
        let late = self.kill_left == Some(Millis::ZERO);
        if policy.role == Role::Pid1 {
            for process in kernel.processes.iter().filter(|p| p.is_alive() && p.pid != init) {
                verdict = both(verdict, self.deadly(policy, kernel, process));
            }
        }
        both(verdict, Self::nobody_left(policy, kernel, init, late))
    }

    /// S2, S9 and S10, S11: init sends a signal to that process now.
    ///
    /// # Errors
    /// The law that it breaks.
    pub fn kill(
        &self,
        rules: Rules<'_>,
        kernel: &Kernel,
        target: Target,
        process: &Process,
        signal: Signal,
    ) -> Verdict {
        if let Target::Main(pid) = target
            && !process.ghost.main
        {
            return broken(Law::S2, format!("{pid} is somebody else's pid now"));
        }
        let init = kernel.watched_pid().expect("it is init that kills");
        if target == Target::Descendants && !kernel.descends(process.pid, init) {
            return broken(Law::S9, format!("{} is none of init's", process.pid));
        }
        if signal == Signal::KILL && process.is_alive() {
            return self.deadly(rules.policy, kernel, process);
        }
        Ok(())
    }

    /// Init sleeps until a signal or the alarm comes.
    ///
    /// # Errors
    /// S3, S13.
    pub fn waits(&self, kernel: &Kernel, init: Pid) -> Verdict {
        if kernel.has_unannounced_report(init) {
            return broken(Law::S3, "init waits, a report is untaken, and no CHLD is pending");
        }
        let stands = |p: &&Process| {
            p.ghost.main
                && p.state == State::Stopped
                && (p.report.is_none() || kernel.ignores_chld(init))
                && p.parent == Some(init)
        };
        match kernel.processes.iter().find(stands) {
            Some(main) if self.told && !main.is_doomed() && kernel.init_may_signal(main) => {
                broken(Law::S13, format!("{} stands still, and has nothing to tell", main.pid))
            }
            _ => Ok(()),
        }
    }

    /// Somebody may be killed by this: by init, or by the kernel because init ends.
    fn deadly(&self, policy: &Policy, kernel: &Kernel, process: &Process) -> Verdict {
        // Without a drain grace the operator wants nobody asked.
        if policy.graces.drain.is_zero() || !kernel.init_may_signal(process) {
            return Ok(());
        }
        let ghost = process.ghost;
        let there = ghost.at_last_call || !self.last_call;
        let mut verdict = Ok(());
        if there && !(ghost.asked && ghost.woken) {
            let not = match (ghost.asked, ghost.woken) {
                (false, _) => format!("without {}", policy.drain_signal),
                _ => "without CONT".into(),
            };
            verdict = broken(Law::S10, format!("{} is killed {not}", process.pid));
        }
        for (left, grace, name) in [
            (self.drain_left, policy.graces.drain, "drain grace"),
            (self.last_left, policy.graces.last_call, "last call"),
        ] {
            let left = left.unwrap_or(grace);
            if !left.is_zero() {
                let why = format!("{} is killed {left} before the {name} is over", process.pid);
                return both(verdict, broken(Law::S11, why));
            }
        }
        verdict
    }

    /// Something has happened: was init alone, and is not any more? Asked only if that matters.
    pub fn looks_around(&mut self, is_alone: impl FnOnce() -> bool) {
        if self.alone_left.is_some() && !is_alone() {
            self.alone_left = None;
        }
    }

    /// Time passes.
    ///
    /// # Errors
    /// L2, L4, L5.
    pub fn passes(&mut self, rules: Rules<'_>, span: Span) -> Verdict {
        if span.has_left {
            return Ok(());
        }
        let time = span.time;
        // Nobody promises an end in time to who freezes the container or stops init.
        self.engine_left = self.engine_left.filter(|_| !span.frozen && !span.init_stopped);
        let knows_end = self.main.is_none() && self.code.is_some();
        if !(span.alone && knows_end) {
            self.alone_left = None;
        } else if rules.idle {
            // In a storm it may be late twice: when it takes the last CHLD, and when it has settled.
            let storm = rules.policy.reaping.storm.map_or(Millis::ZERO, |_| rules.busy);
            self.alone_left.get_or_insert(TICK.plus(rules.busy).plus(storm));
        }
        if !span.frozen {
            // Others have had this time, init too or not.
            for left in [
                &mut self.stop_left,
                &mut self.drain_left,
                &mut self.last_left,
                &mut self.kill_left,
            ] {
                *left = left.map(|left| left.minus(time));
            }
        }
        if span.frozen || span.init_stopped {
            // The tick is counted again, however late it was before, and may be late once more.
            let again = TICK.plus(FROZEN).plus(rules.busy);
            for left in [&mut self.gone_left, &mut self.alone_left] {
                *left = left.map(|left| left.plus(again));
            }
            return Ok(());
        }
        if self.engine_left.is_some_and(|left| time >= left) {
            return broken(Law::L4, "the engine's time is up, and init is still there");
        }
        if self.gone_left.is_some_and(|left| time > left) {
            return broken(Law::L2, "the graces are over, and init is still there");
        }
        if self.alone_left.is_some_and(|left| time > left) {
            return broken(Law::L5, "nobody else has been there for a tick, and init still is");
        }
        for left in [&mut self.engine_left, &mut self.gone_left, &mut self.alone_left] {
            *left = left.map(|left| left.minus(time));
        }
        Ok(())
    }

    /// The engine has sent the stop signal, and will kill after `timeout`, which init was told.
    pub const fn engine_waits(&mut self, timeout: Millis) {
        if self.engine_left.is_none() {
            self.engine_left = Some(timeout);
        }
    }

    // ----------------------------------------------------------------- what a step tells us

    fn learn(&mut self, policy: &Policy, event: Event) {
        match event {
            Event::Spawned(pid) => {
                self.main = Some(pid);
                self.had_main = true;
            }
            Event::SpawnFailed(error) => self.code = Some(error.code()),
            Event::Signal { signal, .. }
                if self.main.is_some() && policy.stop_signals.contains(signal) =>
            {
                self.told |= policy.rewrites.apply(signal).is_some();
                if let Some(grace) = policy.graces.stop {
                    self.stop_left.get_or_insert(grace);
                }
            }
            Event::Reaped(pid, status) if self.main == Some(pid) => {
                self.main = None;
                self.code = Some(policy.exit_map.apply(status));
            }
            Event::NoChildren if self.main.is_some() => {
                self.main = None;
                self.code = Some(OWN_FAILURE);
            }
            _ => (),
        }
    }

    fn ends_main(&self, event: Event) -> bool {
        match event {
            Event::Reaped(pid, _) => self.main == Some(pid),
            Event::NoChildren => self.main.is_some(),
            Event::SpawnFailed(_) => true,
            _ => false,
        }
    }

    /// The last call is the second asking; without one, the first. Whoever kills has had it.
    fn begins_last_call(&self, policy: &Policy, event: Event, step: &Step) -> bool {
        let is_last = self.askings > 0 || policy.graces.last_call.is_zero();
        asks_everybody(policy, event, step) && is_last || kills_by_itself(event, step)
    }

    fn count_graces(&mut self, rules: Rules<'_>, event: Event, step: &Step) -> Verdict {
        let policy = rules.policy;
        let graces = policy.graces;
        let asks = asks_everybody(policy, event, step);
        if asks {
            self.askings = (self.askings + 1).min(2);
            self.drain_left.get_or_insert(graces.drain);
            self.last_left = Some(graces.last_call);
        }
        let kills = kills_by_itself(event, step);
        if kills {
            self.killed = true;
            self.kill_left.get_or_insert(graces.kill);
        }
        let may = self.main.is_none() || self.stop_left == Some(Millis::ZERO);
        let early = if (asks || kills) && !may {
            broken(Law::S12, format!("\"{step}\", and the main child is there"))
        } else {
            Ok(())
        };
        let main_ended = self.had_main && self.main.is_none();
        if (main_ended || asks || self.killed) && !self.leaving {
            let most = graces.drain.plus(graces.last_call).plus(graces.kill);
            // The beginning and the last tick of each grace may be late.
            let late = Millis(4 * rules.busy.0);
            self.gone_left.get_or_insert(most.plus(late));
        }
        self.grace |= self.stop_left.is_some() || asks || self.killed;
        let alarms = step.effects.iter().filter(|e| matches!(e, Effect::SetAlarm(_))).count();
        let alarm = match alarms {
            0 => Ok(()),
            1 if self.grace || !rules.idle => Ok(()),
            1 => broken(Law::S7, "an alarm, though no grace runs"),
            _ => broken(Law::S7, "two alarms in one step"),
        };
        let alarm = both(alarm, self.settles(event));
        both(early, alarm)
    }

    /// What is quiet once and once more, after the look for reports that follows, is quiet.
    fn settles(&mut self, event: Event) -> Verdict {
        self.settled = match event {
            Event::Settled => self.settled + 1,
            Event::NoneReady => self.settled,
            _ => 0,
        };
        if self.settled > 2 {
            return broken(Law::S7, "it is quiet, and init wakes up again and again");
        }
        Ok(())
    }

    // -------------------------------------------------------------------------------- checks

    fn exit_code(&self, code: u8) -> Verdict {
        match self.code {
            Some(expected) if expected != code => {
                broken(Law::S1, format!("it leaves with {code}, not with {expected}"))
            }
            // Nobody told how it ended: only after SIGKILL, and then that is its end.
            None if !self.killed || code != 137 => {
                broken(Law::S1, format!("it leaves with {code}, the main child unreaped"))
            }
            _ => Ok(()),
        }
    }

    /// Without a drain grace init leaves with the main child, and this law does not hold.
    fn nobody_left(policy: &Policy, kernel: &Kernel, init: Pid, late: bool) -> Verdict {
        if policy.graces.drain.is_zero() || late {
            return Ok(());
        }
        let ours = |p: &&Process| {
            p.is_alive()
                && p.pid != init
                && (policy.role == Role::Pid1 || kernel.descends(p.pid, init))
        };
        match kernel.processes.iter().find(ours) {
            Some(process) => broken(Law::L3, format!("{} is left", process.pid)),
            None => Ok(()),
        }
    }

    fn no_stale_pid(&self, event: Event, step: &Step) -> Verdict {
        let main = self.main.filter(|_| !self.ends_main(event));
        for effect in step.effects.iter() {
            let fine = match effect {
                Effect::Kill { target: Target::Main(pid) | Target::Group(pid), .. }
                | Effect::ForegroundMain(pid) => main == Some(pid),
                Effect::Detach(pid, _) => {
                    matches!(event, Event::Trapped(trapped, _) if trapped == pid)
                }
                Effect::Kill { .. }
                | Effect::SetAlarm(_)
                | Effect::ForegroundOwn
                | Effect::StopSelf
                | Effect::KernelReaps
                | Effect::InitReaps
                | Effect::Say(_) => true,
            };
            if !fine {
                return broken(Law::S2, format!("\"{effect}\", but that is not ours any more"));
            }
        }
        Ok(())
    }
}

/// S6: an init that has decided to leave does not change its mind, whatever happens.
///
/// # Errors
/// S6.
pub fn nothing_after_exit(code: u8, mut step: impl FnMut(Event) -> Step) -> Verdict {
    for event in ["alarm", "signal TERM", "reaped 2 exit 9", "no-children", "alone"] {
        let event = event.parse().expect("it is in the notation");
        let more = step(event);
        if !more.effects.is_empty() || more.next != Request::Exit(code) {
            let why = format!("it had left with {code}, and at \"{event}\" does \"{more}\"");
            return broken(Law::S6, why);
        }
    }
    Ok(())
}

/// L1, for a state in which init only comes back to itself.
pub fn spins() -> Broken {
    let why = "it never comes to rest, though nobody else moves".into();
    Broken { law: Law::L1, why, also: Vec::new() }
}

/// L1, for a state in which init sleeps for ever.
pub fn no_way_out() -> Broken {
    let why = "it never leaves, though everybody else is dead".into();
    Broken { law: Law::L1, why, also: Vec::new() }
}
