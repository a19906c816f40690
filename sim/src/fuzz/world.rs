//! The whole world: the bytes choose policy, programs, faults and every move.
//!
//! The same drawing as in a swarm ([`crate::life`]), so that a mutation of the bytes stays a
//! life: one byte more or less changes what is chosen from there on and no more.

use crate::chooser::Bytes;
use crate::life::{Weights, live, setting};
use crate::machine::Kind;
use crate::show;

/// The most moves of a life: more than the bytes of an input are.
const MOST_MOVES: u64 = 3000;

/// Lives the life that the bytes say, and judges it by every law.
///
/// # Errors
/// The broken law with the whole story.
pub fn world(data: &[u8]) -> Result<(), String> {
    world_with(Kind::Lastout, data)
}

/// The same with somebody else's decisions.
///
/// # Errors
/// The broken law with the whole story.
pub fn world_with(kind: Kind, data: &[u8]) -> Result<(), String> {
    let mut bytes = Bytes::new(data);
    let setting = setting(&mut bytes, kind);
    let weights = Weights::draw(&mut bytes);
    match live(&setting, &mut bytes, weights, MOST_MOVES).broken {
        None => Ok(()),
        Some(counterexample) => {
            let again =
                "LASTOUT_FUZZ_INPUT=<the file> cargo test -p lastout-tests --test fuzz_corpus";
            Err(show::counterexample(&setting, &counterexample, again))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chooser::Random;
    use crate::mutant::Mutant;

    #[test]
    fn a_mistake_is_found_by_bytes_that_are_long_enough() {
        let mut random = Random::new(1);
        let mut found = false;
        for _ in 0..3000 {
            let data: Vec<u8> = (0..600).map(|_| random.next().to_le_bytes()[0]).collect();
            assert_eq!(world(&data), Ok(()));
            found |= world_with(Kind::Mutant(Mutant::NoCont), &data).is_err();
        }
        assert!(found, "a machine that asks without CONT is not found out");
    }
}
