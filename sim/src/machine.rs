//! Whose decisions are tried in a world: lastout's, lastout's with a mistake in it, or those of
//! another init. All of them answer events with steps, in the vocabulary of the core.

use lastout_core::{Effect, Effects, Event, Init, Pid, Policy, Request, Step};

use crate::mutant::Mutant;
use crate::peer::Peer;

/// Whose decisions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// lastout's, unchanged.
    #[default]
    Lastout,
    /// lastout's, but for one mistake.
    Mutant(Mutant),
    /// Another init's.
    Peer(Peer),
}

/// What mistaken and other inits remember.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Memo {
    /// The main child, whether it is reaped or not.
    pub main: Option<Pid>,
    /// Its exit code, once it is known.
    pub code: Option<u8>,
    /// Something that is counted.
    pub count: u8,
    /// Something that is remembered.
    pub flag: bool,
}

/// The state of an init's decisions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Machine {
    /// lastout's own state.
    pub init: Init,
    /// That of the others.
    pub memo: Memo,
}

impl Machine {
    /// A new init, and its first request.
    pub fn start() -> (Self, Request) {
        let (init, request) = Init::start();
        (Self { init, memo: Memo::default() }, request)
    }

    /// What it does about `event`.
    pub fn step(&mut self, kind: Kind, policy: &Policy, event: Event) -> Step {
        match kind {
            Kind::Lastout => self.init.step(policy, event),
            Kind::Mutant(mutant) => mutant.step(self, policy, event),
            Kind::Peer(peer) => peer.step(&mut self.memo, policy, event),
        }
    }
}

/// The step with these effects; those beyond the most that a step can have (S8) are lost.
pub fn step(effects: impl IntoIterator<Item = Effect>, next: Request) -> Step {
    let mut all = Effects::NONE;
    for effect in effects {
        if !all.try_push(effect) {
            break;
        }
    }
    Step { effects: all, next }
}
