//! What the harness is below an init: `inits --child ROLE FD N SLEEPERS [PROGRAM]`.
//!
//! Orphans are made by two clones that share our memory: to make and to end one costs as little as
//! it can, so that the init sees the densest storm, and 100,000 of them fit into a small machine.
//! They have a stack of [`STACK`] bytes, no errno and no thread-local of their own, so what they do
//! is system calls by our own instruction, not the C library's. Sleepers execute the PROGRAM if there is
//! one, and have memory of their own then, as real processes have.

use std::collections::VecDeque;
use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use lastout_os::arch::syscall;

use crate::growth;
use crate::memory;
use crate::shared::{Shared, attach, post, sleep_while, wait_for};
use crate::stage::{self, Launch, now_ns};

/// Of an orphan, which makes three system calls at most.
const STACK: usize = 1024;
/// So many stacks take turns where orphans end as they are made.
const TURNS: usize = 1024;
/// So often it is looked who is left.
const SWEEP: usize = 64;
/// Longer than anything takes here.
const LIMIT: Duration = Duration::from_hours(1);

/// Where the signal handler finds it.
static HANDLED: AtomicPtr<Shared> = AtomicPtr::new(ptr::null_mut());

/// Does what a child is for; its exit code.
pub(crate) fn child(arguments: &[String]) -> i32 {
    if arguments[0] == "keep" {
        growth::keep(&arguments[1]);
        return 0;
    }
    let number = |at: usize| arguments.get(at).and_then(|a| a.parse::<usize>().ok()).unwrap_or(0);
    let shared = attach(c_int::try_from(number(1)).expect("a descriptor"));
    let (count, sleepers) = (number(2), number(3));
    let program = arguments.get(4).map(String::as_str);
    match arguments[0].as_str() {
        "latency" => handles(shared, c_int::try_from(count).expect("a signal")),
        "sleepers" => sleeps(shared, count, program),
        "storm" => storm(shared, count, (sleepers, program), false),
        "burst" => storm(shared, count, (sleepers, program), true),
        "instances" => memory::make(shared, count, &arguments[4..]),
        "hold" => holds(shared, &arguments[4..]),
        role => panic!("no role {role}"),
    }
    0
}

/// Handles that signal for ever.
fn handles(shared: &'static Shared, signal: c_int) {
    extern "C" fn handler(_: c_int) {
        // SAFETY: set before the handler was.
        let shared = unsafe { &*HANDLED.load(Ordering::Relaxed) };
        shared.handled_at.store(now_ns(), Ordering::SeqCst);
        post(&shared.handled);
    }
    HANDLED.store(ptr::from_ref(shared).cast_mut(), Ordering::Relaxed);
    // SAFETY: the handler does what a handler may.
    unsafe {
        libc::signal(signal, handler as *const () as libc::sighandler_t);
        post(&shared.ready);
        loop {
            libc::pause();
        }
    }
}

/// Makes sleepers, and sleeps.
fn sleeps(shared: &'static Shared, count: usize, program: Option<&str>) {
    let mut nursery = Nursery::new(shared, 0, count);
    nursery.make_sleepers(count, program);
    post(&shared.ready);
    loop {
        // SAFETY: nothing to vouch for.
        unsafe { libc::pause() };
    }
}

/// Orphans that end: as they are made, or, when all of them are there, together.
fn storm(shared: &'static Shared, count: usize, others: (usize, Option<&str>), together: bool) {
    let (sleepers, program) = others;
    let mut nursery = Nursery::new(shared, if together { count } else { TURNS }, sleepers);
    nursery.make_sleepers(sleepers, program);
    if together {
        nursery.make(count, Kind::EndsWhenOpen);
    }
    post(&shared.ready);
    wait_for(&shared.go, 0, LIMIT);
    let start = now_ns();
    if together {
        post(&shared.open);
    } else {
        nursery.make(count, Kind::Ends);
    }
    while nursery.sweep() > 0 {
        std::thread::sleep(Duration::from_micros(100));
    }
    shared.took_ns.store(now_ns() - start, Ordering::SeqCst);
    post(&shared.done);
    wait_for(&shared.quit, 0, LIMIT);
}

/// Is PID 1, and starts an init below, which is not then. Leaves when that has.
fn holds(shared: &'static Shared, init: &[String]) {
    let pid = Launch::of(init.iter().map(String::as_str), false).bound().start();
    let cpu = stage::cpu_at_end(pid);
    shared.handled_at.store(now_ns(), Ordering::SeqCst);
    shared.took_ns.store(cpu, Ordering::SeqCst);
    let (status, _) = stage::reap(pid);
    // Its command has left by itself, or has died of TERM.
    if ![0, libc::SIGTERM, (128 + libc::SIGTERM) << 8].contains(&status) {
        println!("!! an init below a holder ended with status {status:#x}");
    }
}

/// What becomes of an orphan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ends,
    EndsWhenOpen,
    /// In a session of its own, until a signal ends it.
    Sleeps,
}

/// What the two that make an orphan are told.
struct Birth {
    kind: Kind,
    shared: &'static Shared,
    /// What a sleeper executes; null: nothing.
    program: *const c_char,
    stack: *mut c_void,
    /// What clone(2) said.
    orphan: c_int,
}

struct Nursery {
    shared: &'static Shared,
    program: Option<CString>,
    stacks: Vec<[u128; STACK / 16]>,
    /// Those of the sleepers.
    beds: Vec<[u128; STACK / 16]>,
    /// The births of those whose stacks are in use, and the one that is next.
    births: VecDeque<Box<Birth>>,
    /// Not known to be reaped.
    live: Vec<c_int>,
    made: usize,
}

impl Nursery {
    fn new(shared: &'static Shared, stacks: usize, beds: usize) -> Self {
        Self {
            shared,
            program: None,
            stacks: vec![[0; STACK / 16]; stacks],
            beds: vec![[0; STACK / 16]; beds],
            births: VecDeque::new(),
            live: Vec::new(),
            made: 0,
        }
    }

    /// Who had ended, by their own word; what they do after it is one system call.
    fn exited(&self) -> usize {
        self.shared.exited.load(Ordering::SeqCst) as usize
    }

    fn make(&mut self, count: usize, kind: Kind) {
        while self.made < count {
            if kind == Kind::Ends && self.made - self.exited() > TURNS / 2 {
                std::thread::yield_now();
                continue;
            }
            let at = self.made % self.stacks.len();
            let stack = self.stacks[at].as_mut_ptr_range().end.cast();
            let Some(pid) = self.bear(kind, stack) else {
                // No pid is left, or no memory: the init has to catch up.
                self.sweep();
                std::thread::sleep(Duration::from_millis(1));
                continue;
            };
            self.live.push(pid);
            self.made += 1;
            if kind == Kind::Ends {
                if self.made.is_multiple_of(SWEEP) {
                    self.sweep();
                }
                if self.births.len() > 2 * TURNS {
                    self.births.pop_front();
                }
            }
        }
        if kind == Kind::EndsWhenOpen {
            self.await_made(count);
        }
    }

    fn make_sleepers(&mut self, count: usize, program: Option<&str>) {
        self.program = program.map(|path| CString::new(path).expect("a path"));
        for at in 0..count {
            let stack = self.beds[at].as_mut_ptr_range().end.cast();
            let pid = self.bear(Kind::Sleeps, stack);
            let why = "a process more (kernel.pid_max, memory, a limit of pids?)";
            assert!(pid.is_some(), "sleeper {at} of {count} cannot be made: {why}");
        }
        self.await_made(count);
        self.shared.made.store(0, Ordering::SeqCst);
    }

    fn await_made(&self, count: usize) {
        while (self.shared.made.load(Ordering::SeqCst) as usize) < count {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// An orphan's pid.
    fn bear(&mut self, kind: Kind, stack: *mut c_void) -> Option<c_int> {
        let program = self.program.as_ref().map_or(ptr::null(), |path| path.as_ptr());
        let birth = Birth { kind, shared: self.shared, program, stack, orphan: -1 };
        self.births.push_back(Box::new(birth));
        let birth: *mut Birth = &raw mut **self.births.back_mut().expect("just pushed");
        let mut room = [0_u128; 256];
        let top = room.as_mut_ptr_range().end.cast::<c_void>();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: we stand still until the one in the middle has ended; the orphan has its stack for
        // itself, and its birth for as long as `births` keeps it.
        unsafe {
            let middle = libc::clone(middle, top, flags, birth.cast());
            if middle > 0 {
                libc::waitpid(middle, ptr::null_mut(), 0);
            }
            let pid = birth.read().orphan;
            (middle > 0 && pid > 0).then_some(pid)
        }
    }

    /// Forgets who has been reaped; how many are left. Notes the most zombies.
    fn sweep(&mut self) -> usize {
        let exited = self.exited();
        // SAFETY: nothing is sent.
        self.live.retain(|&pid| unsafe { libc::kill(pid, 0) } == 0);
        let reaped = self.made - self.live.len();
        let zombies = u32::try_from(exited.saturating_sub(reaped)).expect("not so many");
        self.shared.peak.fetch_max(zombies, Ordering::SeqCst);
        self.live.len()
    }
}

/// Who makes the orphan, and leaves it.
extern "C" fn middle(birth: *mut c_void) -> c_int {
    let birth = birth.cast::<Birth>();
    // SAFETY: ours, and who made us stands still. The C library's clone(2) writes errno if it
    // fails, which is that one's, and is not read.
    unsafe {
        let flags = libc::CLONE_VM | libc::SIGCHLD;
        (*birth).orphan = libc::clone(orphan, (*birth).stack, flags, birth.cast());
    }
    leave()
}

extern "C" fn orphan(birth: *mut c_void) -> c_int {
    // SAFETY: as `bear` says; the pid in it is written by another, and not read.
    let (kind, shared, program) = unsafe {
        let birth = birth.cast::<Birth>();
        let shared = (&raw const (*birth).shared).read();
        ((&raw const (*birth).kind).read(), shared, (&raw const (*birth).program).read())
    };
    match kind {
        Kind::Ends => (),
        Kind::EndsWhenOpen => {
            shared.made.fetch_add(1, Ordering::SeqCst);
            while shared.open.load(Ordering::SeqCst) == 0 {
                sleep_while(&shared.open, 0, None);
            }
        }
        Kind::Sleeps => {
            // SAFETY: nothing to vouch for.
            unsafe { syscall(libc::SYS_setsid, [0; 6]) };
            shared.made.fetch_add(1, Ordering::SeqCst);
            if !program.is_null() {
                let argv = [program, ptr::null()];
                let words = argv.as_ptr() as usize;
                let nothing = argv[1..].as_ptr() as usize;
                // SAFETY: both arrays end with null. It comes back only if it failed.
                unsafe { syscall(libc::SYS_execve, [program as usize, words, nothing, 0, 0, 0]) };
            }
            loop {
                // SAFETY: no descriptors, no time, no mask: until a signal comes.
                unsafe { syscall(libc::SYS_ppoll, [0; 6]) };
            }
        }
    }
    shared.exited.fetch_add(1, Ordering::SeqCst);
    leave()
}

fn leave() -> ! {
    loop {
        // SAFETY: it does not come back.
        unsafe { syscall(libc::SYS_exit, [0; 6]) };
    }
}
