//! One move of a process: a signal is delivered to it, or it executes one instruction. The table of
//! all instructions is why this is long.

use lastout_core::{Millis, Pid, Signal, Status};

use crate::kernel::{
    Delivery, Disposition, Errno, Handler, Kernel, Process, Sender, State, UNSTOPPABLE, Waited,
};
use crate::note::Note;
use crate::program::{Action, Code, Frame, Instruction, Library, Whom};

/// What a shell says of a child that it does not know.
const NO_SUCH_CHILD: u8 = 127;

/// What limits processes when they make others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most processes at a time: the limit of the pids cgroup. Zombies count (K42).
    pub processes: usize,
}

/// What a system call of an instruction came to, as its process sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// There is nothing to see.
    Quiet,
    /// Done, or why not.
    Answered(Result<(), Errno>),
    /// Who was made, or why nobody.
    Born(Result<Pid, Errno>),
    /// What wait(2) told.
    Waited(Result<Waited, Errno>),
    /// A handler cut the call short (`EINTR`).
    CutShort,
}

/// In how many ways the process at `at` can move: 0, it waits for something; 1; or as many as it
/// has alternatives.
pub fn ways(kernel: &Kernel, library: &Library, at: usize) -> usize {
    let process = &kernel.processes[at];
    if !kernel.is_runnable(at) {
        return 0;
    }
    if process.owes_chld || kernel.has_deliverable(at) {
        return 1;
    }
    let code = &process.code;
    let instruction = library.at(code.program, code.at);
    if !code.trapped.is_empty() && !puts_off_traps(instruction, code) {
        return 1;
    }
    match instruction {
        Instruction::Pause => 0,
        Instruction::Take(signal) => usize::from(can_take(process, *signal)),
        Instruction::Sleep(_) => usize::from(code.timer.is_none_or(Millis::is_zero)),
        Instruction::Wait | Instruction::Foreground => {
            usize::from(!is_waiting_for_child(kernel, process))
        }
        Instruction::Reap => usize::from(!is_waiting_for_any(kernel, process.pid)),
        Instruction::Either(labels) => labels.len(),
        _ => 1,
    }
}

/// Can it take that signal now (sigwaitinfo(2))? KILL and STOP never; what it does not block, too,
/// if it does not die of it first (seen on Linux 6.18).
fn can_take(process: &Process, signal: Signal) -> bool {
    process.pending.contains(signal) && !UNSTOPPABLE.contains(signal) && !process.is_doomed()
}

/// Is this a command that a shell waits for, so that its traps have to wait too (K84)?
fn puts_off_traps(instruction: &Instruction, code: &Code) -> bool {
    match instruction {
        Instruction::Foreground => true,
        Instruction::Sleep(_) => code.timer.is_some(),
        _ => false,
    }
}

/// The most jumps that are followed at once: a program that only jumps must end some time.
pub const MOST_JUMPS: u32 = 16;

/// Follows jumps, which nobody else can notice: they are no moves of their own.
pub fn jump(library: &Library, code: &mut Code) {
    for _ in 0..MOST_JUMPS {
        match library.at(code.program, code.at) {
            Instruction::Goto(label) => code.at = *label,
            _ => return,
        }
    }
}

fn is_waiting_for_child(kernel: &Kernel, process: &Process) -> bool {
    let code = &process.code;
    let child = code.child.filter(|_| code.child_status.is_none());
    child.and_then(|pid| kernel.process(pid)).is_some_and(|child| {
        child.parent == Some(process.pid) && (child.is_alive() || child.traced)
    })
}

fn is_waiting_for_any(kernel: &Kernel, pid: Pid) -> bool {
    let mut children = kernel.processes.iter().filter(|p| p.parent == Some(pid)).peekable();
    children.peek().is_some() && children.all(|child| child.is_alive() || child.traced)
}

/// What a process did when something came to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Did {
    /// Nothing is left to do before its next instruction.
    Nothing,
    /// It died, stopped, or stands before a signal.
    Stands,
    /// It entered a handler; `cut_short`: its call ended by that (`EINTR`).
    Entered {
        /// See above.
        cut_short: bool,
    },
    /// The call that it was in came to an end.
    Returned(Outcome),
}

/// Is the process at a call that waits for something, which is there? The call ends then, whatever
/// signals are pending: who waits for a child that is dead reaps it, and the handler comes
/// after (K33; seen on Linux 6.18). A shell's traps have rules of their own.
pub fn is_ready(kernel: &Kernel, library: &Library, at: usize) -> bool {
    let process = &kernel.processes[at];
    let code = &process.code;
    !process.handlers.has_traps()
        && match library.at(code.program, code.at) {
            Instruction::Take(signal) => can_take(process, *signal),
            Instruction::Sleep(_) => code.timer.is_some_and(Millis::is_zero),
            Instruction::Wait | Instruction::Foreground => !is_waiting_for_child(kernel, process),
            Instruction::Reap => !is_waiting_for_any(kernel, process.pid),
            _ => false,
        }
}

/// Where a process is with the call of the instruction that it is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// It stands before it.
    Before,
    /// It waits in it.
    In,
    /// A signal has woken it: it has found nothing of what it waits for, and is on its way out.
    /// If nothing comes of the signal it makes the call again.
    Left,
}

/// What has come to the process at `at`: its call ends, or a signal is delivered.
pub fn rouse(kernel: &mut Kernel, library: &Library, limits: Limits, at: usize, call: Call) -> Did {
    if call == Call::In && is_ready(kernel, library, at) {
        let pid = kernel.processes[at].pid;
        return Did::Returned(perform(kernel, library, limits, pid));
    }
    match kernel.deliver(at) {
        Delivery::Died | Delivery::Stands => Did::Stands,
        Delivery::Handles(signal, handler) => {
            let cut_short = call != Call::Before
                && is_cut_short(
                    kernel,
                    library,
                    &kernel.processes[at],
                    handler.trap,
                    call == Call::Left,
                );
            enter(kernel, library, at, signal, handler, cut_short);
            Did::Entered { cut_short }
        }
        Delivery::GoesOn => Did::Nothing,
    }
}

/// The process at `at` moves, in that way.
pub fn run(kernel: &mut Kernel, library: &Library, limits: Limits, at: usize, way: usize) {
    let pid = kernel.processes[at].pid;
    // Here who has woken goes on at once; but who was stopped in a call has left it.
    let process = &kernel.processes[at];
    let stopped = process.owes_chld || process.state != State::Running;
    let call = if stopped { Call::Left } else { Call::In };
    if rouse(kernel, library, limits, at, call) != Did::Nothing {
        return;
    }
    // A signal that came to nothing, or a continuation, ends no waiting (K98).
    if ways(kernel, library, at) == 0 {
        return;
    }
    let code = &kernel.processes[at].code;
    let instruction = library.at(code.program, code.at);
    if !puts_off_traps(instruction, code)
        && let Some(signal) = crate::kernel::lowest(code.trapped)
    {
        run_trap(kernel, at, signal);
        return;
    }
    if let Instruction::Either(labels) = instruction {
        // To choose is no move of its own either; what is chosen is, if it can be done now.
        let label = labels.get(way).or(labels.first()).copied();
        let code = &mut kernel.processes[at].code;
        code.at = label.unwrap_or(code.at.saturating_add(1));
        jump(library, code);
        let nested = matches!(library.at(code.program, code.at), Instruction::Either(_));
        if nested || ways(kernel, library, at) != 1 {
            return;
        }
    }
    perform(kernel, library, limits, pid);
}

/// The process executes the instruction that it is at, which can be done now, and is at the next
/// one then.
pub fn perform(kernel: &mut Kernel, library: &Library, limits: Limits, pid: Pid) -> Outcome {
    let to_itself = kernel.process(pid).is_some_and(|process| {
        matches!(
            library.at(process.code.program, process.code.at),
            Instruction::Kill(Whom::Myself, _) | Instruction::Crash(_)
        )
    });
    let outcome = execute(kernel, library, limits, pid);
    if let Some(process) = kernel.process_mut(pid) {
        jump(library, &mut process.code);
    }
    // kill(2): what a process sends itself is delivered before the call returns, so that the
    // instruction behind it has not begun and is not cut short; a fault at once.
    if to_itself
        && let Some(at) = kernel.find(pid)
        && let Delivery::Handles(signal, handler) = kernel.deliver(at)
    {
        enter(kernel, library, at, signal, handler, false);
    }
    outcome
}

/// Is the process at an instruction that a handler cuts short? A shell's trap cuts `wait` short
/// even when the child can be reaped, and so does any handler if the process was stopped in the
/// call, or has left it for another reason (`left`). `reap` begins again.
fn is_cut_short(
    kernel: &Kernel,
    library: &Library,
    process: &Process,
    trap: bool,
    left: bool,
) -> bool {
    let code = &process.code;
    match library.at(code.program, code.at) {
        Instruction::Pause => true,
        Instruction::Wait => trap || left || is_waiting_for_child(kernel, process),
        Instruction::Sleep(_) => !trap && code.timer.is_some(),
        Instruction::Take(signal) => !trap && (left || !can_take(process, *signal)),
        _ => false,
    }
}

/// A handler is entered, and the call that the process is in ends by that if it is cut short.
fn enter(
    kernel: &mut Kernel,
    library: &Library,
    at: usize,
    signal: Signal,
    handler: Handler,
    cut_short: bool,
) {
    let process = &mut kernel.processes[at];
    let (id, pid) = (process.id.0, process.pid);
    let code = &mut process.code;
    if cut_short {
        if *library.at(code.program, code.at) == Instruction::Wait {
            code.status = 128 + signal.number();
        }
        code.timer = None;
        code.at += 1;
    }
    if handler.trap {
        code.trapped = code.trapped.with(signal);
    } else {
        code.frames.push(Frame {
            at: code.at,
            count: code.count,
            blocked: process.blocked,
            status: None,
        });
        code.at = handler.at;
        code.count = 0;
        jump(library, code);
        process.blocked = process.blocked.with(signal);
    }
    kernel.notes.add(|| Note::Handles { id, pid, signal });
}

fn run_trap(kernel: &mut Kernel, at: usize, signal: Signal) {
    let process = &mut kernel.processes[at];
    process.code.trapped = crate::kernel::without(process.code.trapped, signal);
    if let Some(handler) = process.handlers.get(signal) {
        let code = &mut process.code;
        code.frames.push(Frame {
            at: code.at,
            count: code.count,
            blocked: process.blocked,
            status: Some(code.status),
        });
        code.at = handler.at;
        code.count = 0;
    }
}

#[allow(clippy::too_many_lines, reason = "one table: each instruction and what it does")]
fn execute(kernel: &mut Kernel, library: &Library, limits: Limits, pid: Pid) -> Outcome {
    let init = kernel.watched_pid();
    let Some(process) = kernel.process_mut(pid) else {
        return Outcome::Quiet;
    };
    let id = process.id.0;
    let code = &mut process.code;
    let instruction = library.at(code.program, code.at);
    code.at = code.at.saturating_add(1);
    match instruction {
        Instruction::On(signal, action) => {
            return Outcome::Answered(set_action(kernel, pid, *signal, *action, false));
        }
        Instruction::Trap(signal, action) => {
            return Outcome::Answered(set_action(kernel, pid, *signal, *action, true));
        }
        Instruction::Mask(signal) => {
            let blocked = process.blocked.with(*signal);
            kernel.set_blocked(pid, blocked);
        }
        Instruction::Unmask(signal) => {
            process.blocked = crate::kernel::without(process.blocked, *signal);
        }
        Instruction::Return => {
            if let Some(frame) = code.frames.pop() {
                code.at = frame.at;
                code.count = frame.count;
                code.status = frame.status.unwrap_or(code.status);
                process.blocked = frame.blocked;
            }
        }
        Instruction::Fork(label) => {
            let child = code.forked(*label);
            let made = born(kernel, library, limits, pid, |kernel, pid| {
                if let Some(process) = kernel.process_mut(pid) {
                    process.code = child;
                }
            });
            return Outcome::Born(made);
        }
        Instruction::Spawn(program) => {
            let made = born(kernel, library, limits, pid, |kernel, child| {
                kernel.exec(child, Code::start(*program));
            });
            return Outcome::Born(made);
        }
        Instruction::Background(program) => {
            let made = born(kernel, library, limits, pid, |kernel, child| {
                // K83: the shell sets both to ignored between fork and exec.
                for signal in [Signal::INT, Signal::QUIT] {
                    let _ = kernel.set_disposition(child, signal, Disposition::Ignore);
                }
                kernel.exec(child, Code::start(*program));
            });
            return Outcome::Born(made);
        }
        Instruction::Daemon(program) => {
            let made = born(kernel, library, limits, pid, |kernel, child| {
                let _ = kernel.setsid(child);
                kernel.orphan(child);
                kernel.exec(child, Code::start(*program));
            });
            if let Some(process) = kernel.process_mut(pid) {
                process.code.child = None;
            }
            return Outcome::Born(made);
        }
        Instruction::Exec(program) => {
            let program = *program;
            kernel.notes.add(|| Note::Executes { id, pid, program: library.name(program).into() });
            kernel.exec(pid, Code::start(program));
        }
        Instruction::Wait | Instruction::Foreground => {
            let mut outcome = Outcome::Quiet;
            let status = match (code.child, code.child_status) {
                (_, Some(status)) => status,
                (Some(child), None) => {
                    let waited = kernel.wait(pid, Some(child), false);
                    outcome = Outcome::Waited(waited);
                    match waited {
                        Ok(Waited::Dead(_, status)) => status.code(),
                        _ => NO_SUCH_CHILD,
                    }
                }
                (None, None) => NO_SUCH_CHILD,
            };
            if let Some(process) = kernel.process_mut(pid) {
                process.code.status = status;
                process.code.child_status = process.code.child.and(Some(status));
            }
            return outcome;
        }
        Instruction::Reap => {
            let waited = kernel.wait(pid, None, false);
            if let Ok(Waited::Dead(child, status)) = waited
                && let Some(process) = kernel.process_mut(pid)
            {
                let code = &mut process.code;
                code.at -= 1;
                if code.child == Some(child) {
                    code.child_status = Some(status.code());
                }
            }
            return Outcome::Waited(waited);
        }
        Instruction::Report => {
            let waited = kernel.wait(pid, None, true);
            if let Ok(Waited::Dead(child, status)) = waited
                && let Some(process) = kernel.process_mut(pid)
                && process.code.child == Some(child)
            {
                process.code.child_status = Some(status.code());
            }
            return Outcome::Waited(waited);
        }
        Instruction::Setsid => return Outcome::Answered(kernel.setsid(pid)),
        Instruction::Setpgid => return Outcome::Answered(kernel.setpgid(pid)),
        Instruction::Uid(uid) => return Outcome::Answered(kernel.setuid(pid, *uid)),
        Instruction::Subreaper => process.subreaper = true,
        Instruction::Kill(whom, signal) => {
            return Outcome::Answered(send(kernel, pid, *whom, *signal));
        }
        Instruction::Work(count) => {
            let left = if code.count == 0 { *count } else { code.count };
            if left > 1 {
                code.count = left - 1;
                code.at -= 1;
            } else {
                code.count = 0;
            }
        }
        Instruction::Sleep(span) => {
            if code.timer.is_some() || span.is_zero() {
                code.timer = None;
            } else {
                code.timer = Some(*span);
                code.at -= 1;
            }
        }
        Instruction::Take(signal) => {
            process.take(*signal);
            return Outcome::Answered(Ok(()));
        }
        Instruction::Hang => {
            process.uninterruptible = true;
            kernel.notes.add(|| Note::Hangs { id, pid });
        }
        Instruction::TraceMe => {
            // Only for a child of the init under test: other parents trace as they like.
            let parent = process.parent;
            process.traced_by_parent = parent.is_some() && parent == init;
        }
        Instruction::Crash(signal) => {
            if let Some(at) = kernel.find(pid) {
                crash(kernel, at, *signal);
            }
        }
        Instruction::Say(word) => {
            if kernel.endings.is_some()
                && let Some(process) = kernel.process_mut(pid)
            {
                process.said.push(word.clone());
            }
            kernel.notes.add(|| Note::Says { id, pid, word: word.clone() });
        }
        Instruction::Goto(label) => code.at = *label,
        Instruction::Repeat(times, label) => {
            let left = if code.count == 0 { *times } else { code.count };
            if left > 1 {
                code.count = left - 1;
                code.at = *label;
            } else {
                code.count = 0;
            }
        }
        Instruction::WhileChild(label) => {
            let child = code.child.filter(|_| code.child_status.is_none());
            if child.is_some_and(|child| kernel.process(child).is_some())
                && let Some(process) = kernel.process_mut(pid)
            {
                process.code.at = *label;
            }
        }
        // What is chosen, is in `run`; and who pauses is past it once a handler has run.
        Instruction::Either(_) | Instruction::Pause => (),
        Instruction::Exit(with) => {
            let with = with.unwrap_or(code.status);
            kernel.exit(pid, with);
        }
    }
    Outcome::Quiet
}

/// A process makes another one, which `becomes` makes what it is to be.
fn born(
    kernel: &mut Kernel,
    library: &Library,
    limits: Limits,
    parent: Pid,
    becomes: impl FnOnce(&mut Kernel, Pid),
) -> Result<Pid, Errno> {
    let made = if kernel.processes.len() >= limits.processes {
        Err(Errno::TryAgain)
    } else {
        kernel.fork(parent, Code::default())
    };
    let child = made.ok();
    if let Some(child) = child {
        becomes(kernel, child);
        if let Some(process) = kernel.process_mut(child) {
            jump(library, &mut process.code);
            let (id, pid, program) = (process.id.0, process.pid, process.code.program);
            kernel.notes.add(|| Note::Executes { id, pid, program: library.name(program).into() });
        }
    }
    if let Some(process) = kernel.process_mut(parent) {
        let code = &mut process.code;
        code.child = child;
        code.child_status = None;
        code.status = u8::from(child.is_none());
    }
    made
}

fn set_action(
    kernel: &mut Kernel,
    pid: Pid,
    signal: Signal,
    action: Action,
    trap: bool,
) -> Result<(), Errno> {
    let ignored = kernel.process(pid).is_some_and(|p| p.ignored_at_start.contains(signal));
    if trap && ignored {
        return Ok(()); // K86: what was ignored when a shell began stays ignored.
    }
    let to = match action {
        Action::Default => Disposition::Default,
        Action::Ignore => Disposition::Ignore,
        Action::Goto { at, once } => Disposition::Handle(Handler { at, once, trap }),
    };
    kernel.set_disposition(pid, signal, to)
}

fn send(kernel: &mut Kernel, pid: Pid, whom: Whom, signal: Signal) -> Result<(), Errno> {
    let sender = Sender::Inside(pid);
    let process = kernel.process(pid).ok_or(Errno::NoSuchProcess)?;
    let to = match whom {
        Whom::Myself => Some(pid),
        Whom::Parent => process.parent,
        Whom::Init => Pid::new(1),
        Whom::Child => process.code.child.filter(|_| process.code.child_status.is_none()),
        Whom::Group => {
            let group = process.group;
            return kernel.kill_group(sender, group, signal);
        }
        Whom::ChildGroup => {
            let child = process.code.child.filter(|_| process.code.child_status.is_none());
            let group = child.ok_or(Errno::NoSuchProcess)?.number();
            return kernel.kill_group(sender, group, signal);
        }
        Whom::All => return kernel.kill_all(sender, signal),
    };
    kernel.kill(sender, to.ok_or(Errno::NoSuchProcess)?, signal, None)
}

/// A fault. A handler runs, and comes back to what is at fault; without one, or blocked, it kills
/// even a PID 1 (K12).
fn crash(kernel: &mut Kernel, at: usize, signal: Signal) {
    let process = &mut kernel.processes[at];
    let handled = matches!(process.disposition(signal), Disposition::Handle(_));
    if handled && !process.blocked.contains(signal) {
        process.code.at -= 1;
        let pid = process.pid;
        kernel.generate(pid, signal, Sender::Kernel, None);
    } else {
        kernel.die(at, Status::Killed { signal, core: false });
    }
}

#[cfg(test)]
mod tests;
