//! Fingerprints of worlds: equal for worlds that no future can tell apart.
//!
//! A derived `Hash` tells worlds apart that differ only in the numbers of their processes, or in
//! the order of siblings. Neither means anything to an init that is PID 1 and treats all but
//! its main child alike: it signals everybody at once, and reaps everybody, in whatever order.
//! So before it is hashed, a world is put in order: parents before their children, the main
//! child before the others, those sorted by what they are and what is below them; and pids are
//! numbered accordingly. Not so for a subreaper, whose walk over /proc is in the order of the
//! pids, nor where the reader wants to know that two runs were the same.
//!
//! Two searches, one with each kind of fingerprint, must come to the same verdict: a test does
//! that.

use std::hash::{Hash, Hasher};

use lastout_core::Pid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

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
    keys: Vec<u64>,
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

    /// The fingerprint of a world, put in order if it may be.
    pub fn of(&mut self, world: &World, in_order: bool) -> u128 {
        if !in_order {
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

    /// Parents before their children, siblings by what they are; and the names of all in that
    /// order.
    fn put_in_order(&mut self, world: &World) {
        let processes = &world.kernel.processes;
        self.names.clear();
        // Those that keep their numbers.
        self.names.extend([0, 1]);
        self.names.extend(world.remembered());
        self.keys.clear();
        for process in processes {
            let key = self.key(process);
            self.keys.push(key);
        }
        // What is below a process is a part of what it is.
        self.list(processes, |_| ());
        for place in (0..self.order.len()).rev() {
            let child = self.order[place];
            let Some(parent) = processes[child].parent else {
                continue;
            };
            if let Some(at) = processes.iter().position(|p| p.pid == parent) {
                let below = mixed(self.keys[child]);
                self.keys[at] = self.keys[at].wrapping_add(below);
            }
        }
        let keys = std::mem::take(&mut self.keys);
        self.list(processes, |siblings| {
            siblings.sort_by_key(|&at| {
                let process = &processes[at];
                (process.pid.number() != 1, !process.ghost.main, keys[at])
            });
        });
        self.keys = keys;
        for next in 0..self.order.len() {
            self.name(processes[self.order[next]].pid.number());
        }
    }

    /// Parents before their children; `sort` puts those of one parent in order.
    fn list(&mut self, processes: &[Process], sort: impl Fn(&mut [usize])) {
        self.order.clear();
        self.order.extend((0..processes.len()).filter(|&at| processes[at].parent.is_none()));
        sort(&mut self.order);
        let mut next = 0;
        while let Some(&at) = self.order.get(next) {
            next += 1;
            let from = self.order.len();
            let parent = Some(processes[at].pid);
            self.order.extend((0..processes.len()).filter(|&at| processes[at].parent == parent));
            sort(&mut self.order[from..]);
        }
        // Whose parent is not there: nobody, but a world must not lose anybody.
        debug_assert_eq!(self.order.len(), processes.len(), "somebody is nobody's child");
    }

    /// What a process is, but for the numbers in it.
    fn key(&mut self, process: &Process) -> u64 {
        self.bytes.0.clear();
        self.hash_own(process);
        let leads = [process.group, process.session].map(|n| n == process.pid.number());
        self.bytes.0.extend(leads.map(u8::from));
        xxh3_64(&self.bytes.0)
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
        let numbers = [
            process.pid.number(),
            process.parent.map_or(0, Pid::number),
            process.group,
            process.session,
            process.code.child.map_or(0, Pid::number),
        ];
        for number in numbers {
            let name = self.name(number);
            self.bytes.0.push(name);
        }
        self.hash_own(process);
    }

    /// All but the numbers of processes, groups and sessions.
    fn hash_own(&mut self, process: &Process) {
        let Process {
            pid: _,
            parent: _,
            group: _,
            session: _,
            uid,
            state,
            report,
            trap,
            owes_chld,
            pending,
            queue,
            blocked,
            ignored,
            handlers,
            no_child_wait,
            unkillable,
            subreaper,
            exiting,
            uninterruptible,
            traced,
            traced_by_parent,
            code,
            ghost,
            ignored_at_start,
            said,
            id: _,
        } = process;
        let flags = [
            *owes_chld,
            *no_child_wait,
            *unkillable,
            *subreaper,
            *exiting,
            *uninterruptible,
            *traced,
            *traced_by_parent,
            code.child.is_some(),
        ];
        let flags = flags.iter().fold(0_u16, |bits, &flag| bits << 1 | u16::from(flag));
        let bytes = &mut self.bytes;
        (flags, uid, state, report, trap, pending.bits(), blocked.bits(), ignored.bits())
            .hash(bytes);
        (code.program, code.at, code.count, code.status, code.child_status).hash(bytes);
        (code.timer, code.trapped.bits(), &code.frames, queue, handlers, ghost).hash(bytes);
        (ignored_at_start, said).hash(bytes);
    }
}

/// A number that has nothing in common with `number`, so that sums of such are as good as sets.
fn mixed(number: u64) -> u64 {
    xxh3_64(&number.to_ne_bytes())
}
