//! Events straight into the machine, those that cannot happen too.

use std::fmt::Write as _;

use arbitrary::{Arbitrary, Unstructured};
use lastout_core::machine::OWN_FAILURE;
use lastout_core::step::MAX_EFFECTS;
use lastout_core::{
    Effect, Entry, Event, Init, Pid, Policy, Request, Role, Signal, Step, Target, replay,
};

use super::caught;
use super::choice::{EventBytes, PolicyBytes};

/// What takes the machine's place in a test: [`Init::step`], or something that is wrong.
pub type Stepper = fn(&mut Init, &Policy, Event) -> Step;

/// What the bytes begin with; events follow to their end.
#[derive(Arbitrary)]
struct Start {
    /// Only events that answer what was asked. Then the dialogue is a record.
    admitted: bool,
    policy: PolicyBytes,
}

/// Lives a life of any policy and any events, and judges each step by the laws that hold
/// whatever happens.
///
/// # Errors
/// The law that is broken, and the dialogue until then in the notation.
pub fn step(data: &[u8]) -> Result<(), String> {
    step_with(Init::step, data)
}

/// The same of any stepper, for the proof that a wrong one is found out.
///
/// # Errors
/// As [`step`].
pub fn step_with(stepper: Stepper, data: &[u8]) -> Result<(), String> {
    let mut data = Unstructured::new(data);
    let Ok(Start { admitted, policy }) = Start::arbitrary(&mut data) else {
        return Ok(());
    };
    let mut life = Life::new(&policy.policy());
    let lived = life.live(stepper, admitted, &mut data);
    lived.map_err(|broken| format!("{broken}\n{}", life.told))
}

/// A machine, and what is known of it from the dialogue alone.
struct Life {
    policy: Policy,
    init: Init,
    /// The main child, while it is unreaped.
    main: Option<Pid>,
    /// The exit code, once it is decided.
    code: Option<u8>,
    /// The dialogue so far.
    told: String,
}

impl Life {
    fn new(policy: &Policy) -> Self {
        Self {
            policy: *policy,
            init: Init::start().0,
            main: None,
            code: None,
            told: format!("{policy}\n"),
        }
    }

    fn live(
        &mut self,
        stepper: Stepper,
        admitted: bool,
        data: &mut Unstructured<'_>,
    ) -> Result<(), String> {
        if self.told.trim_end().parse() != Ok(self.policy) {
            return Err("the policy does not read back as it was written".to_owned());
        }
        while !data.is_empty()
            && let Ok(bytes) = EventBytes::arbitrary(data)
        {
            let event = if admitted {
                match bytes.admitted(self.init.outstanding()) {
                    Some(event) => event,
                    None => break,
                }
            } else {
                bytes.any()
            };
            self.happens(stepper, event)?;
        }
        if admitted {
            let code = match self.init.outstanding() {
                Request::Exit(code) => Some(code),
                _ => None,
            };
            match replay::check(&self.told) {
                Ok(told) if told == code => (),
                Ok(told) => return Err(format!("replayed, it ends with {told:?}, not {code:?}")),
                Err(fault) => return Err(format!("it does not replay: {fault}")),
            }
        }
        Ok(())
    }

    fn happens(&mut self, stepper: Stepper, event: Event) -> Result<(), String> {
        let before = self.init;
        let outcome = caught(|| stepper(&mut self.init, &self.policy, event));
        let step = outcome.inspect_err(|_| writeln!(self.told, "{event}").expect("a string"))?;
        let entry = Entry { event, step };
        let line = entry.to_string();
        self.told.push_str(&line);
        self.told.push('\n');
        if line.parse() != Ok(entry) {
            return Err("the line does not read back as it was written".to_owned());
        }
        let after = self.init;
        if step.effects.iter().count() > MAX_EFFECTS {
            return Err("S8: too many effects".to_owned());
        }
        if step.next != after.outstanding() {
            return Err(format!(
                "it asks something else than is outstanding: {}",
                after.outstanding()
            ));
        }
        if let Request::Exit(_) = before.outstanding()
            && !(after == before && step.effects.is_empty())
        {
            return Err("S6: something happens after the exit".to_owned());
        }
        self.know(before.outstanding(), event);
        if after.main_child() != self.main {
            return Err(format!("S2: it believes the main child to be {:?}", after.main_child()));
        }
        self.judge_exit_code(step)?;
        self.judge_effects(event, step)?;
        self.judge_sending_on(before.outstanding(), event, step)
    }

    /// What `event`, as an answer to `asked`, tells of the main child.
    fn know(&mut self, asked: Request, event: Event) {
        match (asked, event) {
            (Request::Exit(_), _) => (),
            (Request::Spawn, Event::Spawned(pid)) => self.main = Some(pid),
            (Request::Spawn, Event::SpawnFailed(error)) => self.code = Some(error.code()),
            (_, Event::Reaped(pid, status)) if self.main == Some(pid) => {
                self.main = None;
                self.code = Some(self.policy.exit_map.apply(status));
            }
            (_, Event::NoChildren) if self.main.is_some() => {
                self.main = None;
                self.code = Some(OWN_FAILURE);
            }
            _ => (),
        }
    }

    fn judge_exit_code(&self, step: Step) -> Result<(), String> {
        // Killed with everybody else, if it is left behind.
        let code = self.code.unwrap_or(128 + Signal::KILL.number());
        match step.next {
            Request::Exit(with) if with != code => Err(format!("S1: the exit code is {code}")),
            _ => Ok(()),
        }
    }

    fn judge_effects(&self, event: Event, step: Step) -> Result<(), String> {
        let mut alarms = 0;
        for effect in step.effects.iter() {
            let broken = |law: &str| Err(format!("{law}: {effect}"));
            match effect {
                Effect::Kill { target, signal, .. } => {
                    if signal == Signal::CHLD {
                        return broken("S5: CHLD is sent");
                    }
                    match target {
                        Target::Main(pid) | Target::Group(pid) if self.main != Some(pid) => {
                            return broken("S2: not the pid of an unreaped main child");
                        }
                        Target::All if self.policy.role != Role::Pid1 => {
                            return broken("S9: not PID 1");
                        }
                        Target::Descendants if self.policy.role == Role::Pid1 => {
                            return broken("S9: PID 1 has everybody");
                        }
                        _ => (),
                    }
                }
                Effect::ForegroundMain(pid) if self.main != Some(pid) => {
                    return broken("S2: not the pid of an unreaped main child");
                }
                // The kernel has just named this child, whoever had its pid before.
                Effect::Detach(pid, _) if !matches!(event, Event::Trapped(child, _) if child == pid) =>
                {
                    return broken("S2: a child that was not named");
                }
                Effect::SetAlarm(_) => alarms += 1,
                _ => (),
            }
        }
        if alarms > 1 { Err("S7: two alarms at a time".to_owned()) } else { Ok(()) }
    }

    /// S4 of a signal that was asked for: sent on once, first, as what it is rewritten to.
    /// Nothing else is sent but the CONT without which a stopped main child could not answer.
    fn judge_sending_on(&self, asked: Request, event: Event, step: Step) -> Result<(), String> {
        let Event::Signal { signal: taken, .. } = event else {
            return Ok(());
        };
        let waits = matches!(asked, Request::Wait | Request::Settle(_) | Request::Watch(_));
        if !waits || self.main.is_none() || taken == Signal::CHLD {
            return Ok(());
        }
        let mut kills = step.effects.iter().filter_map(|effect| match effect {
            Effect::Kill { signal, .. } => Some(signal),
            _ => None,
        });
        let becomes = self.policy.rewrites.apply(taken);
        let (first, second, third) = (kills.next(), kills.next(), kills.next());
        let only_cont = second.is_none_or(|signal| signal == Signal::CONT) && third.is_none();
        if first == becomes && only_cont {
            Ok(())
        } else {
            Err(format!("S4: {taken} is not sent on once as {becomes:?}"))
        }
    }
}

#[cfg(test)]
mod tests;
