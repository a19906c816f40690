//! Asks the kernel that it runs on which facts of docs/kernel.md hold there, a line each:
//!
//! ```text
//! K1 yes
//! K93 no PIDFD_SIGNAL_PROCESS_GROUP: EINVAL
//! ```
//!
//! A fact is named by its number; what has none, but matters to lastout or to its tests, by a
//! word. `kernel-probe NAME…` asks for these only, `--names` lists all. The exit code is 0 if all were asked, whatever
//! the answers are: `tests/tests/kernels.rs` knows what Linux must say, and .ci/kernels and .ci/gvisor
//! what is known of others. Needs root. A fact that hangs is one that does not hold.
//!
//! Only facts that lastout or the simulator relies on are here. Not: what needs a core dump
//! (K27), a freezer (K96), a second user (K66, K68), a second thread (K8, K38, K40), a fork storm
//! (K50), a tracer besides the parent (K39) or a real program (K82 to K90).

mod calls;
mod family;
mod pid1;
mod signals;
mod stage;

use std::io::Write;
use std::process::ExitCode;

use stage::Verdict;

/// How long a fact may take: more than all of its own limits on an emulated processor.
const LIMIT: i32 = 20_000;

type Fact = fn() -> Verdict;

const FACTS: [(&str, Fact); 55] = [
    ("K1", pid1::k1),
    ("K2", pid1::k2),
    ("K3", pid1::k3),
    ("K4", pid1::k4),
    ("K5", pid1::k5),
    ("K6", pid1::k6),
    ("K10", pid1::k10),
    ("K12", pid1::k12),
    ("K14", pid1::k14),
    ("K15", pid1::k15),
    ("K19", signals::k19),
    ("K21", signals::k21),
    ("K22", signals::k22),
    ("K23", signals::k23),
    ("K25", signals::k25),
    ("K26", signals::k26),
    ("K28", signals::k28),
    ("K29", signals::k29),
    ("K31", signals::k31),
    ("K32", family::k32),
    ("K34", family::k34),
    ("K35", family::k35),
    ("K36", family::k36),
    ("K37", family::k37),
    ("K43", pid1::k43),
    ("K44", family::k44),
    ("K46", pid1::k46),
    ("K48", pid1::k48),
    ("K52", family::k52),
    ("K53", family::k53),
    ("K54", family::k54),
    ("K56", family::k56),
    ("K58", pid1::k58),
    ("K59", pid1::k59),
    ("K60", pid1::k60),
    ("K61", calls::k61),
    ("K64", calls::k64),
    ("K69", family::k69),
    ("K71", family::k71),
    ("K72", family::k72),
    ("K73", family::k73),
    ("K78", family::k78),
    ("K91", calls::k91),
    ("K92", calls::k92),
    ("K93", calls::k93),
    ("K94", calls::k94),
    ("K95", calls::k95),
    ("K97", signals::k97),
    ("K98", signals::k98),
    ("K109", calls::k109),
    ("late", pid1::late),
    ("hup", calls::hup),
    ("traced", signals::traced),
    ("nowait", calls::nowait),
    ("setns", calls::setns),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.first().is_some_and(|word| word == "--after-exec") {
        signals::after_exec();
    }
    // The last one, as it has threads.
    let all = || FACTS.into_iter().chain([("threads", calls::threads as Fact)]);
    if wanted.first().is_some_and(|word| word == "--names") {
        all().for_each(|fact| println!("{}", fact.0));
        return ExitCode::SUCCESS;
    }
    let known = |name: &str| all().any(|fact| fact.0 == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        eprintln!("kernel-probe: no fact {unknown}");
        return ExitCode::FAILURE;
    }
    for (name, fact) in all() {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            let (answer, seen) = match ask(fact) {
                Ok(seen) => ("yes", seen),
                Err(seen) => ("no", seen),
            };
            println!("{}", format!("{name} {answer} {seen}").trim_end());
        }
    }
    ExitCode::SUCCESS
}

/// Asks in a process of its own, so that nothing is left of one fact when the next is asked.
fn ask(fact: fn() -> Verdict) -> Verdict {
    let (answer, tell) = stage::pipe();
    let child = stage::fork(|| {
        ordinary_signals();
        let words = match fact() {
            Ok(seen) => format!("yes {seen}"),
            Err(seen) => format!("no {seen}"),
        };
        let _ = std::fs::File::from(tell.try_clone().expect("dup")).write_all(words.as_bytes());
    });
    drop(tell);
    let mut ready = libc::pollfd {
        fd: std::os::fd::AsRawFd::as_raw_fd(&answer),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: it is ours.
    let in_time = unsafe { libc::poll(&raw mut ready, 1, LIMIT) } == 1;
    let mut bytes = [0; 1024];
    let count = if in_time { nix::unistd::read(&answer, &mut bytes).unwrap_or(0) } else { 0 };
    let _ = stage::kill(child, libc::SIGKILL);
    let end = stage::wait(child, libc::WEXITED);
    match String::from_utf8_lossy(&bytes[..count]).split_once(' ') {
        Some(("yes", seen)) => Ok(seen.to_owned()),
        Some((_, seen)) => Err(seen.to_owned()),
        None if in_time => Err(format!("the probe itself ended: {}", stage::told(end.as_ref()))),
        None => Err("it hangs".into()),
    }
}

/// Whatever this was started with: nothing ignored, nothing blocked.
fn ordinary_signals() {
    let all: Vec<i32> = (1..=64).filter(|n| ![9, 19, 32, 33].contains(n)).collect();
    stage::default(&all);
    stage::unblock(&all);
}
