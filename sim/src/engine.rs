//! The engine: who starts, stops, pauses and enters the container from outside.
//!
//! It follows scripts, each a list of actions in order. When its next action happens is one of
//! the world's choices, but for what a clock says: nobody waits longer than the time that was
//! named.

use std::fmt;

use lastout_core::{Millis, Signal};

use crate::program::Library;

/// What Docker gives between its stop signal and its SIGKILL (`docker stop` without `-t`).
pub const DOCKER_STOP: Millis = Millis(10_000);

/// What Kubernetes gives: `terminationGracePeriodSeconds` of a pod that does not name it.
pub const KUBERNETES_STOP: Millis = Millis(30_000);

/// Something that the engine does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Sends init a signal from outside (`docker kill -s`).
    Send(Signal),
    /// Sends a signal with a value (sigqueue(3)).
    Queue(Signal, u64),
    /// The stop signal was sent; after this time comes SIGKILL, if init is still there.
    Timeout(Millis),
    /// Sends init KILL.
    Kill,
    /// A program enters (`docker exec`).
    Exec(u8),
    /// Freezes the container, and so much time passes (`docker pause`).
    Pause(Millis),
    /// Thaws it.
    Unpause,
    /// Presses the terminal's key for a signal (INT, QUIT, TSTP).
    Press(Signal),
    /// Waits for so long.
    Wait(Millis),
    /// Waits until nobody in the container has anything to do: it is up, or has done about a
    /// signal all that it will do before time passes.
    Settle,
}

/// A script: actions in order.
pub type Script = Vec<Action>;

/// How far the engine is with a script.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Progress {
    /// The next action.
    pub at: u8,
    /// What is left of a wait or time-out that runs.
    pub timer: Option<Millis>,
}

/// Reads a script: actions with commas between.
///
/// # Errors
/// What is wrong, on what.
pub fn parse(text: &str, library: &Library) -> Result<Script, String> {
    let mut script = Script::new();
    for part in text.split(',') {
        let words: Vec<_> = part.split_ascii_whitespace().collect();
        let signal =
            |word: &str| Signal::parse(word).ok_or_else(|| format!("{word:?} is no signal"));
        let time = |word: &str| {
            Millis::parse(word)
                .ok_or_else(|| format!("{word:?} is no time; write it like 1500ms, 5s or 2m"))
        };
        match words[..] {
            ["send", name] => script.push(Action::Send(signal(name)?)),
            ["send", name, "value", value] => {
                let value = value.parse().map_err(|_| format!("{value:?} is no value"))?;
                script.push(Action::Queue(signal(name)?, value));
            }
            ["stop", span] => script.extend(stop(Signal::TERM, time(span)?)),
            ["stop", span, name] => script.extend(stop(signal(name)?, time(span)?)),
            ["docker-stop"] => script.extend(stop(Signal::TERM, DOCKER_STOP)),
            ["kubernetes-stop"] => script.extend(stop(Signal::TERM, KUBERNETES_STOP)),
            ["timeout", span] => script.push(Action::Timeout(time(span)?)),
            ["kill"] => script.push(Action::Kill),
            ["exec", name] => {
                let program = library.find(name);
                let program = program.ok_or_else(|| format!("there is no program {name:?}"))?;
                script.push(Action::Exec(program));
            }
            ["pause", span] => script.push(Action::Pause(time(span)?)),
            ["unpause"] => script.push(Action::Unpause),
            ["press", name] => script.push(Action::Press(signal(name)?)),
            ["settle"] => script.push(Action::Settle),
            ["wait", span] => script.push(Action::Wait(time(span)?)),
            _ => {
                return Err(format!(
                    "{:?} is nothing that an engine does: send SIG [value N], stop TIME [SIG], \
                     docker-stop, kubernetes-stop, timeout TIME, kill, exec PROGRAM, pause TIME, \
                     unpause, press SIG, wait TIME, settle",
                    part.trim()
                ));
            }
        }
    }
    if script.len() > usize::from(u8::MAX) {
        return Err("too long a script: 255 actions are the most".into());
    }
    Ok(script)
}

/// `docker stop`, in its parts.
pub fn stop(signal: Signal, timeout: Millis) -> [Action; 3] {
    [Action::Send(signal), Action::Timeout(timeout), Action::Kill]
}

/// An action as [`parse`] reads it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'l>(pub Action, pub &'l Library);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Action::Send(signal) => write!(f, "send {signal}"),
            Action::Queue(signal, value) => write!(f, "send {signal} value {value}"),
            Action::Timeout(span) => write!(f, "timeout {span}"),
            Action::Kill => f.write_str("kill"),
            Action::Exec(program) => write!(f, "exec {}", self.1.name(program)),
            Action::Pause(span) => write!(f, "pause {span}"),
            Action::Unpause => f.write_str("unpause"),
            Action::Press(signal) => write!(f, "press {signal}"),
            Action::Wait(span) => write!(f, "wait {span}"),
            Action::Settle => f.write_str("settle"),
        }
    }
}

/// A script as [`parse`] reads it, the usual stops by their names.
#[derive(Clone, Copy, Debug)]
pub struct ShownScript<'l>(pub &'l [Action], pub &'l Library);

impl fmt::Display for ShownScript<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut comma = "";
        while let [action, more @ ..] = rest {
            f.write_str(comma)?;
            comma = ", ";
            rest = more;
            let &Action::Send(signal) = action else {
                write!(f, "{}", Shown(*action, self.1))?;
                continue;
            };
            match more {
                [Action::Timeout(span), Action::Kill, behind @ ..] => {
                    rest = behind;
                    match (signal, *span) {
                        (Signal::TERM, DOCKER_STOP) => f.write_str("docker-stop")?,
                        (Signal::TERM, KUBERNETES_STOP) => f.write_str("kubernetes-stop")?,
                        (Signal::TERM, span) => write!(f, "stop {span}")?,
                        (signal, span) => write!(f, "stop {span} {signal}")?,
                    }
                }
                _ => write!(f, "{}", Shown(*action, self.1))?,
            }
        }
        Ok(())
    }
}
