//! The laws about what one step sends to whom: S4, S5 and S9.

use lastout_core::{Effect, Event, Forward, Policy, Role, Signal, Step, Target};

use super::{Law, Verdict, Watch, broken};

type Kill = (Target, Signal, Option<u64>);

fn kills(step: &Step) -> impl Iterator<Item = Kill> + '_ {
    step.effects.iter().filter_map(|effect| match effect {
        Effect::Kill { target, signal, value } => Some((target, signal, value)),
        _ => None,
    })
}

/// Whom that role means by everybody.
pub const fn everybody(policy: &Policy) -> Target {
    match policy.role {
        Role::Pid1 => Target::All,
        Role::Subreaper | Role::Plain => Target::Descendants,
    }
}

/// Does the step ask everybody: the drain signal to all, though nobody sent it? That CONT comes
/// with it is what S10 finds out process by process.
pub(super) fn asks_everybody(policy: &Policy, event: Event, step: &Step) -> bool {
    let all = |target| matches!(target, Target::All | Target::Descendants);
    let asks = |(target, signal, _): Kill| all(target) && signal == policy.drain_signal;
    !matches!(event, Event::Signal { .. }) && kills(step).any(asks)
}

/// Does init kill somebody on its own account?
pub(super) fn kills_by_itself(event: Event, step: &Step) -> bool {
    !matches!(event, Event::Signal { .. })
        && kills(step).any(|(_, signal, _)| signal == Signal::KILL)
}

pub(super) fn sent_on_once(watch: &Watch, policy: &Policy, event: Event, step: &Step) -> Verdict {
    let wakes = |(target, signal, _): Kill| {
        let main = watch.main;
        signal == Signal::CONT
            && (main.map(Target::Main) == Some(target) || main.map(Target::Group) == Some(target))
    };
    let mut kills = kills(step);
    if let Event::Signal { signal, value } = event
        && signal != Signal::CHLD
    {
        let told = policy.stop_signals.contains(signal);
        let after_asking = watch.askings > 0 || watch.killed;
        let expected = policy.rewrites.apply(signal).and_then(|becomes| {
            if told && after_asking {
                return Some((everybody(policy), becomes, None));
            }
            watch.main.map(|pid| match policy.forward {
                Forward::Main => (Target::Main(pid), becomes, value),
                Forward::Group => (Target::Group(pid), becomes, None),
                Forward::All => (everybody(policy), becomes, None),
            })
        });
        let first = kills.next();
        if first != expected || kills.any(|more| !told || !wakes(more)) {
            let should = match expected {
                Some((target, signal, _)) => format!("\"kill {target} {signal}\" and no more"),
                None => "nothing".into(),
            };
            let why = format!("at \"{event}\" it does \"{step}\", and should do {should}");
            return broken(Law::S4, why);
        }
        return Ok(());
    }
    let asks = asks_everybody(policy, event, step);
    let own = |kill: Kill| {
        let (target, signal, _) = kill;
        let asking = asks && [policy.drain_signal, Signal::CONT].contains(&signal);
        let to_all = matches!(target, Target::All | Target::Descendants)
            && (asking || signal == Signal::KILL);
        to_all || matches!(event, Event::Stopped(..)) && wakes(kill)
    };
    match kills.find(|&kill| !own(kill)) {
        Some((target, signal, _)) => {
            broken(Law::S4, format!("\"kill {target} {signal}\", but nobody sent that"))
        }
        None => Ok(()),
    }
}

/// S13: who stops the main child without a terminal's help means it, until it is told to end.
pub(super) fn leaves_standing(
    watch: &Watch,
    policy: &Policy,
    event: Event,
    step: &Step,
) -> Verdict {
    let wakes = kills(step).any(|(_, signal, _)| signal == Signal::CONT);
    if matches!(event, Event::Stopped(..)) && wakes && !watch.told && !policy.terminal {
        return broken(Law::S13, format!("\"{step}\", but nobody told the main child to go on"));
    }
    Ok(())
}

pub(super) fn chld_is_ours(event: Event, step: &Step) -> Verdict {
    let is_chld = matches!(event, Event::Signal { signal: Signal::CHLD, .. } | Event::Chld(_));
    if kills(step).any(|(_, signal, _)| signal == Signal::CHLD)
        || is_chld && kills(step).next().is_some()
    {
        return broken(Law::S5, format!("at \"{event}\" it does \"{step}\""));
    }
    Ok(())
}

pub(super) fn all_as_pid_1(policy: &Policy, step: &Step) -> Verdict {
    let wrong = match everybody(policy) {
        Target::All => Target::Descendants,
        _ => Target::All,
    };
    if kills(step).any(|(target, ..)| target == wrong) {
        return broken(Law::S9, format!("\"{wrong}\" as {}", policy.role));
    }
    Ok(())
}
