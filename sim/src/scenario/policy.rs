//! The line `policy`: the words of a record's first line, as few as will do.

use std::num::NonZeroU8;

use lastout_core::{Graces, Millis, Policy, Reaping, Wishes};

use crate::machine::Kind;
use crate::setting::Who;

/// What stands before the words in a record.
const HEAD: &str = "# lastout 1";

/// The word for a main child that may take as long as it likes, though a time-out is told.
const NO_STOP_GRACE: &str = "stop-grace=none";

/// What is so if no word says otherwise: another init forwards and rewrites in its own way.
fn base(who: Who) -> Policy {
    match who {
        Who::Init(Kind::Peer(peer)) => peer.policy(Graces::DEFAULT),
        Who::Init(_) | Who::Program(_) => {
            let mut policy = Policy::default();
            // A scenario is searched: how often was looked would be a part of each state.
            policy.reaping.storm = None;
            policy
        }
    }
}

/// A storm begins so if no word of a record says otherwise.
const fn usual_storm() -> Option<NonZeroU8> {
    Reaping::DEFAULT.storm
}

/// Reads the words.
///
/// # Errors
/// What is wrong, on which word, and what would be right.
pub(super) fn read(words: &str, who: Who, timeout: Option<Millis>) -> Result<Policy, String> {
    let mut text = base(who).to_string();
    let mut no_stop_grace = false;
    let mut named = Wishes { stop_timeout: timeout, ..Wishes::default() };
    for word in words.split_ascii_whitespace() {
        if word == NO_STOP_GRACE {
            no_stop_grace = true;
            continue;
        }
        let alone = format!("{HEAD} {word}").parse::<Policy>();
        let graces = alone.map_err(|error| format!("policy: {word:?}: {error}"))?.graces;
        match word.split_once('=').map_or(word, |(key, _)| key) {
            "stop-grace" => named.stop = graces.stop,
            "drain-grace" => named.drain = Some(graces.drain),
            "last-call" => named.last_call = Some(graces.last_call),
            "kill-grace" => named.kill = Some(graces.kill),
            _ => {
                text.push(' ');
                text.push_str(word);
            }
        }
    }
    let mut policy: Policy = text.parse().map_err(|error| format!("policy: {error}"))?;
    policy.graces = match (named.drain, named.last_call, named.kill) {
        // All are named: there is nothing to plan.
        (Some(drain), Some(last_call), Some(kill)) if named.stop.is_some() || no_stop_grace => {
            Graces { stop: named.stop, drain, last_call, kill }
        }
        _ if no_stop_grace => {
            return Err(format!("policy: with {NO_STOP_GRACE}, name the three other graces too"));
        }
        _ => named.plan().map_err(|no_room| {
            format!(
                "policy: the graces need {}, which is more than the stop-timeout: name less",
                no_room.needed
            )
        })?,
    };
    Ok(policy)
}

/// The words that are needed.
pub(super) fn write(policy: &Policy, who: Who, timeout: Option<Millis>) -> String {
    let base = base(who).to_string();
    let is_grace = |word: &&str| {
        ["stop-grace=", "drain-grace=", "last-call=", "kill-grace="]
            .iter()
            .any(|key| word.starts_with(key))
    };
    let text = policy.to_string();
    let mut words: Vec<String> = text
        .split_ascii_whitespace()
        .skip(HEAD.split_ascii_whitespace().count())
        .filter(|word| word.starts_with("role=") || !base.split(' ').any(|known| known == *word))
        .filter(|word| !is_grace(word))
        .map(str::to_owned)
        .collect();
    words.extend(graces(policy.graces, timeout));
    // It is what is not written in a record, and not what is not written here.
    if let Some(looks) = policy.reaping.storm.filter(|_| policy.reaping.storm == usual_storm()) {
        words.push(format!("storm={looks}"));
    }
    words.join(" ")
}

/// The words for what a plan would not have; all, if it could not have it.
fn graces(graces: Graces, timeout: Option<Millis>) -> Vec<String> {
    let mut named = Wishes { stop_timeout: timeout, ..Wishes::default() };
    let planned = named.plan().ok();
    let unless =
        |grace: Millis, planned: Option<Millis>| Some(grace).filter(|_| planned != Some(grace));
    named.drain = unless(graces.drain, planned.map(|p| p.drain));
    named.last_call = unless(graces.last_call, planned.map(|p| p.last_call));
    named.kill = unless(graces.kill, planned.map(|p| p.kill));
    if named.plan() != Ok(graces) {
        named.stop = graces.stop;
    }
    let mut words = Vec::new();
    if named.plan() == Ok(graces) {
        words.extend(named.stop.map(|grace| format!("stop-grace={grace}")));
    } else {
        (named.drain, named.last_call, named.kill) =
            (Some(graces.drain), Some(graces.last_call), Some(graces.kill));
        let none = || NO_STOP_GRACE.to_owned();
        words.push(graces.stop.map_or_else(none, |grace| format!("stop-grace={grace}")));
    }
    words.extend(named.drain.map(|grace| format!("drain-grace={grace}")));
    words.extend(named.last_call.map(|grace| format!("last-call={grace}")));
    words.extend(named.kill.map(|grace| format!("kill-grace={grace}")));
    words
}

#[cfg(test)]
mod tests {
    use lastout_core::Role;

    use super::*;

    const LASTOUT: Who = Who::Init(Kind::Lastout);

    fn again(policy: &Policy, timeout: Option<Millis>) -> (String, Policy) {
        let words = write(policy, LASTOUT, timeout);
        let read = read(&words, LASTOUT, timeout).unwrap();
        (words, read)
    }

    #[test]
    fn only_what_is_not_planned_is_named() {
        let ten = Some(Millis(10_000));
        let planned = read("role=pid1", LASTOUT, ten).unwrap();
        assert_eq!(planned.graces.stop, Some(Millis(6250)));
        assert_eq!(write(&planned, LASTOUT, ten), "role=pid1");
        let named = read("role=subreaper drain-grace=1s", LASTOUT, ten).unwrap();
        assert_eq!(write(&named, LASTOUT, ten), "role=subreaper drain-grace=1s");
    }

    #[test]
    fn every_combination_of_graces_reads_back() {
        let some = [0, 1, 500, 5000, 9000].map(Millis);
        for timeout in [None, Some(Millis(50)), Some(Millis(10_000))] {
            for stop in some.map(Some).into_iter().chain([None]) {
                for drain in some {
                    for (last_call, kill) in [(250, 2000), (0, 0), (250, 500), (1, 9000)] {
                        let graces = Graces {
                            stop,
                            drain,
                            last_call: Millis(last_call),
                            kill: Millis(kill),
                        };
                        let policy = Policy { graces, ..Policy::new(Role::Subreaper) };
                        let (words, read) = again(&policy, timeout);
                        assert_eq!(read, policy, "{words}");
                    }
                }
            }
        }
    }

    #[test]
    fn faults_name_the_word() {
        for (words, named) in [
            ("role=king", "role=king"),
            ("drain-grace=5", "drain-grace=5"),
            ("colour=red", "colour=red"),
            ("stop-grace=none", "three other"),
            ("drain-grace=20s", "stop-timeout"),
        ] {
            let fault = read(words, LASTOUT, Some(Millis(10_000))).unwrap_err();
            assert!(fault.contains(named), "{words}: {fault}");
        }
    }
}
