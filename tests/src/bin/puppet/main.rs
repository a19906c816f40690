//! A puppet: a real process that executes the programs of the simulator, instruction by
//! instruction, each at its cue (sim/src/parity.rs; tests/src/parity/stage.rs).
//!
//! Static, without std or a C library, so that nothing in it has handlers, masks or threads of
//! its own. x86-64 only.
//!
//! Started by the conductor with the stage as descriptor 0, it is the *launcher*: it makes a PID
//! namespace and its PID 1, is the parent outside, and makes entered processes. With arguments,
//! SEAT PROGRAM, it is a process that has just executed another program.
//!
//! Where a puppet is in its program is in [`State`], as the simulator has it. A handler is the
//! same interpreter once more, on top; the kernel's own frame brings it back. What an instruction
//! was answered is written when it is known, by whoever knows first: the code behind the system
//! call, or a handler that runs before it ([`sys::take_result`]).
//!
//! Long, and in one file: a handler runs the whole interpreter over the state that it interrupts, so
//! who changes one part has to have the others in view.

#![no_std]
#![no_main]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "what system calls take and give are registers"
)]

#[path = "../../../../os/src/memory.rs"]
mod memory;
#[allow(dead_code, unreachable_pub, reason = "the conductor's half of it")]
#[path = "../../parity/stage.rs"]
mod stage;
mod sys;

use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

use stage::{Seat, Stage, action, answer, op, order, phase, whom};
use sys::{Disposition, NONE, RESULT, call, observed};

/// Where the stage is, before and after exec.
const STAGE_FD: usize = 0;
/// Our own file.
const SELF_FD: usize = 3;

/// The most jumps that are followed at once, as in the simulator.
const MOST_JUMPS: u32 = 16;

/// What went wrong with the puppet itself.
const BROKEN: usize = 99;

/// What the process knows of its execution.
struct State {
    seat: usize,
    at: u8,
    count: u8,
    child: u32,
    child_is_known: bool,
    child_status: u8,
    depth: u32,
    /// The instruction whose answer is to come: the place of the answer in the seat.
    pending: Option<usize>,
    instruction: stage::Code,
    /// Where handlers begin.
    handlers: [u8; 65],
    wait_status: i32,
    report: libc::siginfo_t,
}

struct Shared<T>(UnsafeCell<T>);

// SAFETY: one thread, and its handlers run while the rest stands.
unsafe impl<T> Sync for Shared<T> {}

static STATE: Shared<State> = Shared(UnsafeCell::new(State {
    seat: 0,
    at: 0,
    count: 0,
    child: 0,
    child_is_known: false,
    child_status: 0,
    depth: 0,
    pending: None,
    instruction: [0; 4],
    handlers: [0; 65],
    wait_status: 0,
    // SAFETY: plain data.
    report: unsafe { core::mem::zeroed() },
}));

static STAGE: Shared<*const Stage> = Shared(UnsafeCell::new(core::ptr::null()));

fn stage() -> &'static Stage {
    // SAFETY: set once, at the start, to a mapping that stays.
    unsafe { &**STAGE.0.get() }
}

/// The state: nobody keeps this over a system call, so that a handler has it for itself.
#[allow(clippy::mut_from_ref, reason = "one thread; see above")]
fn state() -> &'static mut State {
    // SAFETY: see `Shared`.
    unsafe { &mut *STATE.0.get() }
}

fn seat() -> &'static Seat {
    &stage().seats[state().seat]
}

fn exit(code: usize) -> ! {
    loop {
        call(libc::SYS_exit_group, [code, 0, 0, 0]);
    }
}

fn broken() -> ! {
    exit(BROKEN)
}

/// The precompiled `core` names it in unoptimised builds; nothing unwinds here.
#[cfg(debug_assertions)]
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    broken()
}

global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {main}",
    "ud2",
    main = sym main,
);

extern "C" fn main(stack: *const usize) -> ! {
    // SAFETY: argc and argv, as the kernel puts them there.
    let args = unsafe { core::slice::from_raw_parts(stack.add(1), *stack) };
    let mapping = {
        let size = size_of::<Stage>();
        let result: i64;
        // SAFETY: a new mapping, shared with whoever else has the file.
        unsafe {
            core::arch::asm!(
                "syscall",
                inlateout("rax") libc::SYS_mmap => result,
                in("rdi") 0,
                in("rsi") size,
                in("rdx") libc::PROT_READ | libc::PROT_WRITE,
                in("r10") libc::MAP_SHARED,
                in("r8") STAGE_FD,
                in("r9") 0,
                lateout("rcx") _,
                lateout("r11") _,
            );
        }
        result
    };
    if mapping < 0 {
        broken();
    }
    // SAFETY: nobody has read it yet.
    unsafe { *STAGE.0.get() = mapping as usize as *const Stage };
    if args.len() == 3 {
        let (seat_number, program) = (decimal(args[1]), decimal(args[2]));
        state().seat = seat_number;
        begin(program as u32);
        interpret();
    }
    launch()
}

fn decimal(text: usize) -> usize {
    let mut at = text as *const u8;
    let mut number = 0;
    // SAFETY: an argument ends with a zero byte.
    unsafe {
        while *at != 0 {
            number = number * 10 + usize::from(*at - b'0');
            at = at.add(1);
        }
    }
    number
}

// --- The launcher --------------------------------------------------------------------------

fn launch() -> ! {
    // The conductor's runtime may have ignored or blocked signals; a container's PID 1 begins
    // without.
    for signal in 1..=64 {
        sys::set_action(signal, &Disposition::Default);
    }
    set_mask(libc::SIG_SETMASK, 0);
    // Nobody wants to read the dumps of QUIT and SEGV.
    let no_dump = [0_u64; 2];
    call(libc::SYS_setrlimit, [libc::RLIMIT_CORE as usize, no_dump.as_ptr().addr(), 0, 0]);
    let path = c"/proc/self/exe";
    let file = call(
        libc::SYS_openat,
        [libc::AT_FDCWD as usize, path.as_ptr().addr(), libc::O_RDONLY as usize, 0],
    );
    if file < 0 {
        broken();
    }
    if file as usize != SELF_FD {
        call(libc::SYS_dup2, [file as usize, SELF_FD, 0, 0]);
    }
    let result = call(libc::SYS_unshare, [libc::CLONE_NEWPID as usize, 0, 0, 0]);
    if result < 0 {
        stage().trouble.store(-result as u32, Ordering::Release);
        broken();
    }
    let one = make(0);
    loop {
        wait_for(&stage().orders, &stage().followed);
        let argument = stage().argument.load(Ordering::Acquire);
        match stage().order.load(Ordering::Acquire) {
            order::ENTER => _ = make(argument),
            order::LET_GO => {
                let mut status = 0_i32;
                let all = libc::__WALL as usize;
                call(libc::SYS_wait4, [argument as usize, (&raw mut status).addr(), all, 0]);
            }
            _ => loop {
                let mut status = 0_i32;
                let all = libc::__WALL as usize;
                let who = call(libc::SYS_wait4, [usize::MAX, (&raw mut status).addr(), all, 0]);
                if who == one {
                    stage().ended.store(status as u32 | 1 << 31, Ordering::Release);
                }
                if who < 0 && who != i64::from(-libc::EINTR) {
                    exit(0);
                }
            },
        }
        stage().followed.fetch_add(1, Ordering::AcqRel);
    }
}

/// A process in the namespace, whose parent is outside: a session of its own, and that program.
fn make(program: u32) -> i64 {
    let number = stage().born.load(Ordering::Acquire) as usize;
    let made = call(libc::SYS_fork, [0; 4]);
    if made == 0 {
        call(libc::SYS_setsid, [0; 4]);
        state().seat = number;
        begin(program);
        interpret();
    }
    if made < 0 {
        stage().trouble.store(-made as u32, Ordering::Release);
    } else {
        stage().seats[number].host.store(made as u32, Ordering::Release);
        stage().born.store(number as u32 + 1, Ordering::Release);
    }
    made
}

fn wait_for(cues: &AtomicU32, done: &AtomicU32) {
    loop {
        let given = cues.load(Ordering::Acquire);
        if given != done.load(Ordering::Acquire) {
            return;
        }
        let wait = libc::FUTEX_WAIT as usize;
        call(libc::SYS_futex, [cues.as_ptr().addr(), wait, given as usize, 0]);
    }
}

// --- A process -----------------------------------------------------------------------------

/// At the beginning of a program.
fn begin(program: u32) {
    let me = state();
    me.at = 0;
    me.count = 0;
    me.child = 0;
    me.child_is_known = false;
    me.depth = 0;
    me.pending = None;
    let seat = seat();
    seat.pid.store(call(libc::SYS_getpid, [0; 4]) as u32, Ordering::Release);
    seat.program.store(program, Ordering::Release);
    seat.status.store(0, Ordering::Release);
    jump();
}

fn program() -> u8 {
    seat().program.load(Ordering::Relaxed) as u8
}

fn status() -> u8 {
    seat().status.load(Ordering::Relaxed) as u8
}

fn set_status(status: u8) {
    seat().status.store(u32::from(status), Ordering::Release);
}

fn jump() {
    for _ in 0..MOST_JUMPS {
        let [what, to, ..] = stage().at(program(), state().at);
        if what != op::GOTO {
            return;
        }
        state().at = to;
    }
}

/// Waits for the cue.
fn gate() {
    let seat = seat();
    seat.at.store(u32::from(state().at), Ordering::Release);
    seat.phase.store(phase::GATE, Ordering::Release);
    wait_for(&seat.cues, &seat.done);
    seat.phase.store(phase::MIDWAY, Ordering::Release);
    seat.done.fetch_add(1, Ordering::AcqRel);
}

/// Executes until a handler returns; outside of one for ever.
fn interpret() {
    loop {
        gate();
        let instruction = stage().at(program(), state().at);
        state().instruction = instruction;
        if instruction[0] == op::RETURN && state().depth > 0 {
            return;
        }
        execute(instruction);
        jump();
    }
}

/// A handler of whatever signal.
extern "C" fn handle(signal: i32, info: *const libc::siginfo_t, context: *mut libc::ucontext_t) {
    // SAFETY: the kernel made both.
    let (info, context) = unsafe { (&*info, &mut *context) };
    sys::take_result(context);
    let seat = seat();
    let phase_before = seat.phase.load(Ordering::Acquire);
    finish(Some(signal as u8));
    let me = state();
    let fault =
        info.si_code > 0 && info.si_code != libc::SI_KERNEL && me.instruction[0] == op::CRASH;
    if fault {
        // Back to what is at fault, which waits for a cue as any instruction does.
        sys::skip_fault(context);
        me.at -= 1;
    }
    let kept = (me.at, me.count, me.instruction, me.pending, RESULT.get());
    me.at = me.handlers[signal as usize % 65];
    me.count = 0;
    me.depth += 1;
    jump();
    interpret();
    let me = state();
    me.depth -= 1;
    (me.at, me.count, me.instruction, me.pending) = (kept.0, kept.1, kept.2, kept.3);
    RESULT.set(kept.4);
    seat.at.store(u32::from(me.at), Ordering::Release);
    seat.phase.store(phase_before, Ordering::Release);
}

/// An instruction is about to make its system call: its answer has a place from now on.
fn expect(blocks: bool) {
    let seat = seat();
    let place = seat.answered.load(Ordering::Acquire) as usize;
    if place >= stage::ANSWERS {
        broken();
    }
    seat.answers[place].store(answer::UNDER_WAY, Ordering::Release);
    seat.answered.store(place as u32 + 1, Ordering::Release);
    let me = state();
    me.pending = Some(place);
    RESULT.set(NONE);
    if blocks {
        seat.at.store(u32::from(me.at), Ordering::Release);
        seat.phase.store(phase::CALL, Ordering::Release);
    }
}

/// If the answer is known and not yet written down: writes it down, with what follows from it.
/// `handler`: the signal in whose handler we are, which is what cut the call short, if one did.
fn finish(handler: Option<u8>) {
    let result = RESULT.get();
    let me = state();
    let Some(place) = me.pending.filter(|_| result != NONE) else {
        return;
    };
    let [what, ..] = me.instruction;
    let blocking = matches!(what, op::WAIT | op::REAP | op::PAUSE | op::TAKE);
    if blocking && result == i64::from(-libc::EINTR) {
        let Some(signal) = handler else {
            return; // A stop or a continuation: the call is made again (K98).
        };
        me.pending = None;
        if what == op::REAP {
            // It begins again, and that call was none.
            seat().answered.store(place as u32, Ordering::Release);
            return;
        }
        me.at += 1;
        if what == op::WAIT {
            set_status(128 + signal);
        }
        write(place, answer::CUT_SHORT, 0, 0);
        return;
    }
    me.pending = None;
    let error = if result < 0 { -result as u32 } else { 0 };
    match what {
        op::FORK | op::SPAWN | op::DAEMON => {
            me.child_is_known = false;
            me.child = if result < 0 || what == op::DAEMON { 0 } else { result as u32 };
            set_status(u8::from(result < 0));
            let kind = if result < 0 { answer::NOT_BORN } else { answer::BORN };
            // By order of birth: it is the newest.
            write(place, kind, stage().born.load(Ordering::Acquire), error);
        }
        op::WAIT => {
            me.at += 1;
            let code = if result < 0 { 127 } else { exit_code(me.wait_status) };
            set_status(code);
            me.child_is_known = me.child != 0;
            me.child_status = code;
            write_waited(place, result, me.wait_status);
        }
        op::REAP => {
            if result < 0 {
                me.at += 1;
            } else if result as u32 == me.child {
                me.child_is_known = true;
                me.child_status = exit_code(me.wait_status);
            }
            write_waited(place, result, me.wait_status);
        }
        op::REPORT => {
            // SAFETY: waitid(2) has filled it, or it is all zero.
            let (pid, value) = unsafe { (me.report.si_pid() as u32, me.report.si_status() as u32) };
            if result < 0 {
                write(place, answer::NOT_WAITED, 0, error);
                return;
            }
            let kind = match me.report.si_code {
                _ if pid == 0 => answer::NOTHING,
                libc::CLD_EXITED => answer::EXITED,
                libc::CLD_KILLED | libc::CLD_DUMPED => answer::KILLED,
                libc::CLD_STOPPED => answer::STOPPED,
                libc::CLD_TRAPPED => answer::TRAPPED,
                _ => answer::CONTINUED,
            };
            if pid != 0 && pid == me.child && matches!(kind, answer::EXITED | answer::KILLED) {
                me.child_is_known = true;
                me.child_status =
                    if kind == answer::KILLED { 128 + value as u8 } else { value as u8 };
            }
            write(place, kind, pid, if kind == answer::CONTINUED { 0 } else { value });
        }
        op::PAUSE | op::TAKE => {
            me.at += 1;
            write(place, answer::ANSWERED, 0, error);
        }
        _ => write(place, answer::ANSWERED, 0, error),
    }
}

fn exit_code(status: i32) -> u8 {
    if libc::WIFSIGNALED(status) {
        128 + libc::WTERMSIG(status) as u8
    } else {
        libc::WEXITSTATUS(status) as u8
    }
}

fn write(place: usize, kind: u32, pid: u32, value: u32) {
    seat().answers[place].store(answer::pack(kind, pid, value), Ordering::Release);
}

fn write_waited(place: usize, result: i64, status: i32) {
    if result < 0 {
        write(place, answer::NOT_WAITED, 0, -result as u32);
    } else if libc::WIFSIGNALED(status) {
        write(place, answer::KILLED, result as u32, libc::WTERMSIG(status) as u32);
    } else {
        write(place, answer::EXITED, result as u32, libc::WEXITSTATUS(status) as u32);
    }
}

/// A system call whose answer is written down.
fn answered(number: i64, args: [usize; 4]) {
    expect(false);
    observed(number, args);
    finish(None);
}

/// One that waits for something; made again if nothing came of what woke it.
fn blocking(number: i64, args: [usize; 4]) {
    expect(true);
    loop {
        let result = observed(number, args);
        finish(None);
        if state().pending.is_none() || result != i64::from(-libc::EINTR) {
            break;
        }
    }
}

fn set_mask(how: i32, set: u64) {
    observed(libc::SYS_rt_sigprocmask, [how as usize, (&raw const set).addr(), 0, 8]);
}

#[allow(clippy::too_many_lines, reason = "one table: each instruction and its system call")]
fn execute(instruction: stage::Code) {
    let [what, a, b, c] = instruction;
    if !matches!(what, op::WAIT | op::REAP | op::PAUSE | op::TAKE) {
        state().at = state().at.saturating_add(1);
    }
    match what {
        op::ON => {
            state().handlers[usize::from(a) % 65] =
                if b >= action::GOTO { c } else { state().handlers[usize::from(a) % 65] };
            let to = match b {
                action::DEFAULT => Disposition::Default,
                action::IGNORE => Disposition::Ignore,
                _ => Disposition::Handle(handle, b == action::ONCE),
            };
            expect(false);
            sys::set_action(a, &to);
            finish(None);
        }
        op::MASK => set_mask(libc::SIG_BLOCK, 1 << (a - 1)),
        op::UNMASK => set_mask(libc::SIG_UNBLOCK, 1 << (a - 1)),
        op::FORK | op::SPAWN => born(what, a),
        op::DAEMON => daemon(a),
        op::EXEC => become_program(u32::from(a)),
        op::WAIT => wait(),
        op::REAP => {
            let status = (&raw mut state().wait_status).addr();
            blocking(libc::SYS_wait4, [usize::MAX, status, libc::__WALL as usize, 0]);
        }
        op::REPORT => {
            // SAFETY: plain data.
            state().report = unsafe { core::mem::zeroed() };
            let flags = libc::WNOHANG | libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED;
            let flags = (flags | libc::__WALL) as usize;
            let report = (&raw mut state().report).addr();
            answered(libc::SYS_waitid, [libc::P_ALL as usize, 0, report, flags]);
        }
        op::SETSID => answered(libc::SYS_setsid, [0; 4]),
        op::SETPGID => answered(libc::SYS_setpgid, [0; 4]),
        op::UID => {
            answered(libc::SYS_setresuid, [usize::from(a), usize::from(a), usize::from(a), 0]);
        }
        op::SUBREAPER => {
            call(libc::SYS_prctl, [libc::PR_SET_CHILD_SUBREAPER as usize, 1, 0, 0]);
        }
        op::KILL => kill(a, b),
        op::WORK | op::REPEAT => {
            let me = state();
            let left = if me.count == 0 { a } else { me.count };
            if left > 1 {
                me.count = left - 1;
                me.at = if what == op::WORK { me.at - 1 } else { b };
            } else {
                me.count = 0;
            }
        }
        op::PAUSE => blocking(libc::SYS_pause, [0; 4]),
        op::TAKE => {
            let set: u64 = 1 << (a - 1);
            blocking(libc::SYS_rt_sigtimedwait, [(&raw const set).addr(), 0, 0, 8]);
        }
        op::CRASH => sys::fault(a),
        op::GOTO => state().at = a,
        op::WHILE_CHILD => {
            let me = state();
            let there = me.child != 0
                && !me.child_is_known
                && call(libc::SYS_kill, [me.child as usize, 0, 0, 0]) != i64::from(-libc::ESRCH);
            if there {
                state().at = a;
            }
        }
        op::EITHER => state().at = seat().way.load(Ordering::Acquire) as u8,
        op::EXIT => exit(usize::from(a)),
        op::EXIT_STATUS => exit(usize::from(status())),
        _ => (), // say; return outside of a handler
    }
}

fn born(what: u8, to: u8) {
    let number = stage().born.load(Ordering::Acquire);
    if number as usize >= stage::SEATS {
        broken();
    }
    expect(false);
    // The child's place is taken before it is there.
    stage().born.store(number + 1, Ordering::Release);
    let (status, program) = (status(), program());
    let made = observed(libc::SYS_fork, [0; 4]);
    if made == 0 {
        state().seat = number as usize;
        if what == op::SPAWN {
            become_program(u32::from(to));
        }
        begin(u32::from(program));
        set_status(status);
        state().at = to;
        jump();
        interpret();
    }
    if made < 0 {
        stage().born.store(number, Ordering::Release);
    }
    finish(None);
}

/// The process between a daemon and us tells nobody of its end (K36), and is gone before we go on.
fn daemon(program: u8) {
    let number = stage().born.load(Ordering::Acquire);
    if number as usize >= stage::SEATS {
        broken();
    }
    expect(false);
    stage().born.store(number + 1, Ordering::Release);
    let between = call(libc::SYS_clone, [0; 4]);
    if between == 0 {
        let parent = call(libc::SYS_getpid, [0; 4]);
        let made = call(libc::SYS_fork, [0; 4]);
        if made == 0 {
            call(libc::SYS_setsid, [0; 4]);
            while call(libc::SYS_getppid, [0; 4]) == parent {
                call(libc::SYS_sched_yield, [0; 4]);
            }
            state().seat = number as usize;
            become_program(u32::from(program));
        }
        exit(usize::from(made < 0));
    }
    if between > 0 {
        let all = libc::__WALL as usize;
        let mut status = 0_i32;
        while call(libc::SYS_wait4, [between as usize, (&raw mut status).addr(), all, 0])
            == i64::from(-libc::EINTR)
        {}
        // Its number is in its seat by the time anybody looks.
        RESULT.set(0);
    } else {
        stage().born.store(number, Ordering::Release);
        RESULT.set(between);
    }
    finish(None);
}

fn become_program(program: u32) -> ! {
    let mut numbers = [[0_u8; 12]; 2];
    let name = c"puppet";
    let seat_text = digits(&mut numbers[0], state().seat as u32);
    let (first, second) = numbers.split_at_mut(1);
    let _ = first;
    let program_text = digits(&mut second[0], program);
    let argv = [name.as_ptr().addr(), seat_text, program_text, 0];
    let none = [0_usize];
    // execveat has five arguments; the fifth is what says that the descriptor itself is meant.
    // SAFETY: strings that end with zero, in arrays that do.
    unsafe {
        core::arch::asm!(
            "syscall",
            in("rax") libc::SYS_execveat,
            in("rdi") SELF_FD,
            in("rsi") c"".as_ptr(),
            in("rdx") argv.as_ptr(),
            in("r10") none.as_ptr(),
            in("r8") libc::AT_EMPTY_PATH,
            lateout("rax") _,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    broken()
}

fn digits(buffer: &mut [u8; 12], mut number: u32) -> usize {
    let mut at = buffer.len() - 1;
    loop {
        at -= 1;
        buffer[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return (&raw const buffer[at]).addr();
        }
    }
}

fn wait() {
    let me = state();
    if me.child_is_known || me.child == 0 {
        me.at += 1;
        set_status(if me.child_is_known { me.child_status } else { 127 });
        return;
    }
    let (child, status) = (me.child as usize, (&raw mut me.wait_status).addr());
    blocking(libc::SYS_wait4, [child, status, libc::__WALL as usize, 0]);
}

fn kill(to: u8, signal: u8) {
    let me = state();
    let child = if me.child_is_known { 0 } else { me.child };
    let target: i64 = match to {
        whom::MYSELF => call(libc::SYS_getpid, [0; 4]),
        whom::PARENT => call(libc::SYS_getppid, [0; 4]),
        whom::INIT => 1,
        whom::CHILD => i64::from(child),
        whom::GROUP => -call(libc::SYS_getpgrp, [0; 4]),
        whom::CHILD_GROUP => -i64::from(child),
        _ => -1,
    };
    // 0 would be our own group, and a parent or group outside has no number here: there is nobody.
    // -1 is everybody, and only meant if it is said; no group has the number 1 but PID 1's own.
    if target == 0 {
        expect(false);
        RESULT.set(i64::from(-libc::ESRCH));
        finish(None);
        return;
    }
    if target == -1 && to == whom::GROUP {
        // PID 1's group is 1, which kill(-1) does not mean: kill(0) does.
        answered(libc::SYS_kill, [0, usize::from(signal), 0, 0]);
        return;
    }
    answered(libc::SYS_kill, [target as usize, usize::from(signal), 0, 0]);
}
