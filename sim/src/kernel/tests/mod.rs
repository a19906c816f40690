//! The rules of the simulated kernel, one test each, by their K numbers: `docs/kernel.md` names
//! for each rule its test, and [`page`] looks after that page.
//!
//! A test calls the kernel as a process would, and lets processes run by hand: a signal does
//! nothing until [`run`] delivers it. What needs a program or the world is in [`programs`].

mod freeze;
mod generation;
mod init;
mod jobs;
mod kill;
mod page;
mod programs;
mod stop;
mod teardown;
mod tree;
mod wait;

use lastout_core::{Pid, Signal, SignalSet};

use super::{Delivery, Disposition, Freezer, Handler, Kernel, Process, Sender, State};
use crate::program::Code;

fn pid(number: u32) -> Pid {
    Pid::new(number).unwrap()
}

/// PID 1.
fn one() -> Pid {
    pid(1)
}

fn signal(number: u8) -> Signal {
    Signal::new(number).unwrap()
}

/// All 64.
fn signals() -> impl Iterator<Item = Signal> {
    (1..=64).map(signal)
}

/// All but KILL and STOP.
fn maskable() -> impl Iterator<Item = Signal> {
    signals().filter(|signal| signal.can_be_taken())
}

fn set_of(signals: &[Signal]) -> SignalSet {
    signals.iter().fold(SignalSet::EMPTY, |set, signal| set.with(*signal))
}

/// A container with only its PID 1, in a session of its own, as engines start it.
fn container() -> Kernel {
    let mut kernel = Kernel::new(Freezer::V2, true);
    kernel.create(one(), None, Code::default());
    let init = kernel.process_mut(one()).unwrap();
    (init.unkillable, init.group, init.session) = (true, 1, 1);
    kernel
}

/// The same, and a child of PID 1 in a group of its own, as lastout starts the main child.
fn with_child() -> (Kernel, Pid) {
    let mut kernel = container();
    let child = child_of(&mut kernel, one());
    kernel.setpgid(child).unwrap();
    (kernel, child)
}

fn child_of(kernel: &mut Kernel, parent: Pid) -> Pid {
    kernel.fork(parent, Code::default()).unwrap()
}

fn at(kernel: &Kernel, pid: Pid) -> &Process {
    kernel.process(pid).unwrap()
}

/// It runs as far as its signals have it: the next one is delivered.
fn run(kernel: &mut Kernel, pid: Pid) -> Delivery {
    let at = kernel.find(pid).unwrap();
    assert!(kernel.is_runnable(at), "{pid} cannot run");
    kernel.deliver(at)
}

fn can_run(kernel: &Kernel, pid: Pid) -> bool {
    kernel.is_runnable(kernel.find(pid).unwrap())
}

/// Sent by the engine.
fn send(kernel: &mut Kernel, pid: Pid, signal: Signal) {
    kernel.kill(Sender::Outside, pid, signal, None).unwrap();
}

/// Sent, and delivered at once.
fn strike(kernel: &mut Kernel, pid: Pid, signal: Signal) -> Delivery {
    send(kernel, pid, signal);
    run(kernel, pid)
}

/// A handler: where it begins does not matter here.
const fn handler() -> Handler {
    Handler { at: 1, once: false, trap: false }
}

fn handle(kernel: &mut Kernel, pid: Pid, signal: Signal) {
    kernel.set_disposition(pid, signal, Disposition::Handle(handler())).unwrap();
}

fn ignore(kernel: &mut Kernel, pid: Pid, signal: Signal) {
    kernel.set_disposition(pid, signal, Disposition::Ignore).unwrap();
}

fn block(kernel: &mut Kernel, pid: Pid, signals: &[Signal]) {
    kernel.set_blocked(pid, set_of(signals));
}

/// PID 1 learns of its children by CHLD: blocked, as lastout has it.
fn listen(kernel: &mut Kernel) {
    block(kernel, one(), &[Signal::CHLD]);
}

/// Takes CHLD if it is pending for PID 1.
fn heard(kernel: &mut Kernel) -> bool {
    kernel.process_mut(one()).unwrap().take(Signal::CHLD).is_some()
}

fn is_stopped(kernel: &Kernel, pid: Pid) -> bool {
    at(kernel, pid).state == State::Stopped
}

fn pids(kernel: &Kernel) -> Vec<u32> {
    kernel.processes.iter().map(|process| process.pid.number()).collect()
}
