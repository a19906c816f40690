//! The way out of a state (L1).

use lastout_core::{Millis, Pid, Signal, Status};

use super::{Driver, World};
use crate::kernel::{Process, Sender};
use crate::laws::{self, Verdict};
use crate::note::Notes;
use crate::program::IDLE;
use crate::setting::Setting;

impl World {
    /// L1 for this state: if init waits and everybody else dies now and nothing else happens, does
    /// it leave? If it has something to do, does it come to rest?
    ///
    /// # Errors
    /// L1.
    pub fn has_way_out(&self, setting: &Setting) -> Verdict {
        let Some(driver) = self.driver.as_ref().filter(|_| setting.judged && !self.is_over())
        else {
            return Ok(());
        };
        if !driver.is_waiting() {
            return self.comes_to_rest(setting);
        }
        let mut world = self.clone();
        world.kernel.notes = Notes::off();
        world.kernel.frozen = false;
        let others = |world: &Self| {
            world
                .kernel
                .processes
                .iter()
                .position(|p| p.is_alive() && p.pid != driver.pid && p.code.program != IDLE)
        };
        while let Some(at) = others(&world) {
            world.kernel.die(at, Status::Exited(0));
        }
        // Whoever holds a zombie lets go of it, and a stopped init is continued.
        let held: Vec<Pid> =
            world.kernel.processes.iter().filter(|p| p.traced).map(|p| p.pid).collect();
        for pid in held {
            world.kernel.let_go(pid);
        }
        let outside = |p: &Process| !p.is_alive() && p.parent.is_none() && p.pid.number() != 1;
        world.kernel.processes.retain(|p| !outside(p));
        world.kernel.generate(driver.pid, Signal::CONT, Sender::Outside, None);
        // A few requests for each process and each pending signal; then only alarms.
        for _ in 0..self.most_moves() {
            if world.is_over() {
                return Ok(());
            }
            if world.init_can_move(setting) {
                // What laws break on this way is found on the way itself.
                let _ = world.init_moves(setting);
                world.settle(setting);
            } else if let Some(at) =
                world.init_slot().filter(|&at| world.kernel.has_deliverable(at))
            {
                world.kernel.deliver(at);
                world.settle(setting);
            } else if let Some(at) = others(&world) {
                // Born since: the main child, if it was still to be started.
                world.kernel.die(at, Status::Exited(0));
            } else {
                let Some(left) = world.driver.as_ref().and_then(Driver::clock) else {
                    return Err(laws::no_way_out());
                };
                let span = Millis(u32::try_from(left.max(1)).unwrap_or(1));
                if let Some(driver) = &mut world.driver {
                    for clock in [&mut driver.alarm, &mut driver.settle] {
                        *clock = clock.map(|left| left.saturating_sub_unsigned(span.0));
                    }
                }
            }
        }
        Err(laws::no_way_out())
    }

    /// Does init come to rest if nobody else moves?
    fn comes_to_rest(&self, setting: &Setting) -> Verdict {
        let mut world = self.clone();
        world.kernel.notes = Notes::off();
        world.kernel.frozen = false;
        for _ in 0..self.most_moves() {
            if world.is_over() || !world.init_can_move(setting) {
                return Ok(());
            }
            let _ = world.init_moves(setting);
            world.settle(setting);
        }
        Err(laws::spins())
    }

    /// More moves than init needs to deal with everything that it could be told now.
    fn most_moves(&self) -> usize {
        8 * (self.kernel.processes.len() + 70) + 4000
    }
}
