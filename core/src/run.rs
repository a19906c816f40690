//! The dialogue: whoever implements [`Kernel`] is an init, with [`run`] as its main loop.

use crate::event::Event;
use crate::machine::Init;
use crate::policy::Policy;
use crate::step::{Effect, Request, Step};

/// The two things that an init needs of the world.
pub trait Kernel {
    /// Does it. Its result is nobody's business: what matters of it comes back as an event.
    fn perform(&mut self, effect: Effect);

    /// Finds out, waiting if the request is to wait. The answer must be one that the request
    /// [admits](Request::admits). Never asked to [`Request::Exit`].
    fn answer(&mut self, request: Request) -> Event;

    /// Is shown each step before it is done.
    fn observe(&mut self, event: Event, step: &Step) {
        let _ = (event, step);
    }
}

/// Lives the life of an init in that world; returns the exit code to leave with.
pub fn run(policy: &Policy, kernel: &mut impl Kernel) -> u8 {
    let (mut init, mut request) = Init::start();
    loop {
        if let Request::Exit(code) = request {
            return code;
        }
        let event = kernel.answer(request);
        debug_assert!(request.admits(event), "{event:?} is no answer to {request:?}");
        let step = init.step(policy, event);
        kernel.observe(event, &step);
        for effect in step.effects.iter() {
            kernel.perform(effect);
        }
        request = step.next;
    }
}
