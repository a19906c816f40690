//! Fingerprints of worlds: equal for worlds that no future can tell apart.
//!
//! A derived `Hash` tells worlds apart that differ only in the numbers of their processes, or in
//! the order of children of different parents. Neither means anything to an init that is PID 1:
//! it asks for children in the order of its own list (K34), and signals everybody at once. So
//! before it is hashed, a world is put in order: parents before their children, children in
//! their order, and pids numbered accordingly; only PID 1 and the main child keep theirs. Not so
//! for a subreaper, whose walk over /proc is in the order of the pids.

use std::hash::{Hash, Hasher};

use lastout_core::Pid;
use xxhash_rust::xxh3::xxh3_128;

use crate::kernel::Process;
use crate::world::World;

/// The bytes that a value hashes to, in order.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        0 // Nobody asks: the bytes are what is wanted.
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.0.push(byte);
    }
}

/// Makes fingerprints of worlds.
#[derive(Default)]
pub struct Fingerprints {
    bytes: Bytes,
    order: Vec<usize>,
    names: Vec<u32>,
}

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprints")
    }
}

impl Fingerprints {
    /// The fingerprint of a world as it is, pid by pid.
    pub fn exact(&mut self, world: &World) -> u128 {
        self.bytes.0.clear();
        world.hash(&mut self.bytes);
        xxh3_128(&self.bytes.0)
    }

    /// The fingerprint of a world in order. `pid1`: is the init that is tried PID 1?
    pub fn of(&mut self, world: &World, pid1: bool) -> u128 {
        if !pid1 {
            return self.exact(world);
        }
        self.put_in_order(world);
        self.bytes.0.clear();
        world.hash_but_processes(&mut self.bytes);
        for next in 0..self.order.len() {
            self.hash_process(&world.kernel.processes[self.order[next]]);
        }
        xxh3_128(&self.bytes.0)
    }

    /// Parents before their children; and the names of all in that order.
    fn put_in_order(&mut self, world: &World) {
        let processes = &world.kernel.processes;
        self.order.clear();
        self.names.clear();
        // Those that keep their numbers.
        self.names.extend([0, 1]);
        self.names.extend(world.remembered_pids().map(Pid::number));
        let mut next = 0;
        for (at, process) in processes.iter().enumerate() {
            if process.parent.is_none() {
                self.order.push(at);
            }
        }
        while let Some(&at) = self.order.get(next) {
            next += 1;
            let pid = processes[at].pid;
            self.name(pid.number());
            for (child, process) in processes.iter().enumerate() {
                if process.parent == Some(pid) {
                    self.order.push(child);
                }
            }
        }
        // Whose parent is not there: nobody, but a world must not lose anybody.
        debug_assert_eq!(self.order.len(), processes.len(), "somebody is nobody's child");
    }

    /// The number in order of appearance.
    fn name(&mut self, number: u32) -> u8 {
        let place = self.names.iter().position(|&name| name == number).unwrap_or_else(|| {
            self.names.push(number);
            self.names.len() - 1
        });
        u8::try_from(place).unwrap_or(u8::MAX)
    }

    fn hash_process(&mut self, process: &Process) {
        let Process {
            pid,
            parent,
            group,
            session,
            uid,
            state,
            report,
            owes_chld,
            pending,
            queue,
            blocked,
            ignored,
            handlers,
            no_child_wait,
            unkillable,
            subreaper,
            uninterruptible,
            traced,
            traced_by_parent,
            code,
            ghost,
            id: _,
        } = process;
        let numbers = [
            pid.number(),
            parent.map_or(0, Pid::number),
            *group,
            *session,
            code.child.map_or(0, Pid::number),
        ];
        for number in numbers {
            let name = self.name(number);
            self.bytes.0.push(name);
        }
        let flags = [
            *owes_chld,
            *no_child_wait,
            *unkillable,
            *subreaper,
            *uninterruptible,
            *traced,
            *traced_by_parent,
            code.child.is_some(),
        ];
        let flags = flags.iter().fold(0_u8, |bits, &flag| bits << 1 | u8::from(flag));
        let bytes = &mut self.bytes;
        (flags, uid, state, report, pending.bits(), blocked.bits(), ignored.bits()).hash(bytes);
        (code.program, code.at, code.count, code.status, code.child_status).hash(bytes);
        (code.timer, code.trapped.bits(), &code.frames, queue, handlers, ghost).hash(bytes);
    }
}
