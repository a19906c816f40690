//! Programs as the puppets read them, and answers as they write them.

use lastout_core::{Pid, Signal, Status};
use lastout_sim::execute::Outcome;
use lastout_sim::kernel::{Errno, Waited};
use lastout_sim::program::{Action, Instruction, Whom};

use super::stage::{Code, action, answer, op, whom};

/// An instruction.
///
/// # Panics
/// For one that no puppet can execute (`lastout_sim::parity::unplayable`).
pub(super) fn instruction(instruction: &Instruction) -> Code {
    use Instruction as I;
    match instruction {
        I::On(signal, to) => {
            let (what, at) = match *to {
                Action::Default => (action::DEFAULT, 0),
                Action::Ignore => (action::IGNORE, 0),
                Action::Goto { at, once: false } => (action::GOTO, at),
                Action::Goto { at, once: true } => (action::ONCE, at),
            };
            [op::ON, signal.number(), what, at]
        }
        I::Mask(signal) => [op::MASK, signal.number(), 0, 0],
        I::Unmask(signal) => [op::UNMASK, signal.number(), 0, 0],
        I::Return => [op::RETURN, 0, 0, 0],
        I::Fork(at) => [op::FORK, *at, 0, 0],
        I::Exec(program) => [op::EXEC, *program, 0, 0],
        I::Spawn(program) => [op::SPAWN, *program, 0, 0],
        I::Daemon(program) => [op::DAEMON, *program, 0, 0],
        I::Wait => [op::WAIT, 0, 0, 0],
        I::Reap => [op::REAP, 0, 0, 0],
        I::Report => [op::REPORT, 0, 0, 0],
        I::Setsid => [op::SETSID, 0, 0, 0],
        I::Setpgid => [op::SETPGID, 0, 0, 0],
        I::Uid(uid) => [op::UID, *uid, 0, 0],
        I::Subreaper => [op::SUBREAPER, 0, 0, 0],
        I::Kill(to, signal) => {
            let to = match to {
                Whom::Myself => whom::MYSELF,
                Whom::Parent => whom::PARENT,
                Whom::Init => whom::INIT,
                Whom::Child => whom::CHILD,
                Whom::Group => whom::GROUP,
                Whom::ChildGroup => whom::CHILD_GROUP,
                Whom::All => whom::ALL,
            };
            [op::KILL, to, signal.number(), 0]
        }
        I::Work(count) => [op::WORK, *count, 0, 0],
        I::Pause => [op::PAUSE, 0, 0, 0],
        I::Take(signal) => [op::TAKE, signal.number(), 0, 0],
        I::Crash(signal) => [op::CRASH, signal.number(), 0, 0],
        I::Say(_) => [op::SAY, 0, 0, 0],
        I::Goto(at) => [op::GOTO, *at, 0, 0],
        I::Repeat(count, at) => [op::REPEAT, *count, *at, 0],
        I::WhileChild(at) => [op::WHILE_CHILD, *at, 0, 0],
        I::Either(_) => [op::EITHER, 0, 0, 0],
        I::Exit(Some(code)) => [op::EXIT, *code, 0, 0],
        I::Exit(None) => [op::EXIT_STATUS, 0, 0, 0],
        I::Trap(..) | I::Background(_) | I::Foreground | I::Sleep(_) | I::Hang | I::TraceMe => {
            panic!("no puppet can execute {instruction:?}")
        }
    }
}

/// An answer; `number` names a pid by its order of birth.
pub(super) fn outcome(word: u32, number: impl Fn(u32) -> u32) -> Result<Option<Outcome>, String> {
    let (kind, pid, value) = answer::unpack(word);
    let who =
        || Pid::new(number(pid)).ok_or_else(|| format!("an answer about {pid}, who is unknown"));
    let signal = || {
        let signal = u8::try_from(value).ok().and_then(Signal::new);
        signal.ok_or_else(|| format!("{value} is no signal"))
    };
    let code = || u8::try_from(value).map_err(|_| format!("{value} is no exit code"));
    let failed = || errno(value);
    Ok(Some(match kind {
        answer::UNDER_WAY => return Ok(None),
        answer::ANSWERED if value == 0 => Outcome::Answered(Ok(())),
        answer::ANSWERED => Outcome::Answered(Err(failed()?)),
        answer::BORN => Outcome::Born(Pid::new(pid).ok_or("nobody is born").map(Ok)?),
        answer::NOT_BORN => Outcome::Born(Err(failed()?)),
        answer::NOT_WAITED => Outcome::Waited(Err(failed()?)),
        answer::EXITED => Outcome::Waited(Ok(Waited::Dead(who()?, Status::Exited(code()?)))),
        answer::KILLED => {
            let status = Status::Killed { signal: signal()?, core: false };
            Outcome::Waited(Ok(Waited::Dead(who()?, status)))
        }
        answer::STOPPED => Outcome::Waited(Ok(Waited::Stopped(who()?, signal()?))),
        answer::TRAPPED => Outcome::Waited(Ok(Waited::Trapped(who()?, signal()?))),
        answer::CONTINUED => Outcome::Waited(Ok(Waited::Continued(who()?))),
        answer::NOTHING => Outcome::Waited(Ok(Waited::Nothing)),
        answer::CUT_SHORT => Outcome::CutShort,
        _ => return Err(format!("{word:#x} is no answer")),
    }))
}

fn errno(number: u32) -> Result<Errno, String> {
    let number = i32::try_from(number).unwrap_or(0);
    Ok(match number {
        libc::EPERM => Errno::NotPermitted,
        libc::ESRCH => Errno::NoSuchProcess,
        libc::ECHILD => Errno::NoChild,
        libc::EAGAIN => Errno::TryAgain,
        libc::ENOMEM => Errno::NoMemory,
        libc::EINVAL => Errno::Invalid,
        _ => {
            let text = std::io::Error::from_raw_os_error(number);
            return Err(format!("an answer that the simulated kernel does not know: {text}"));
        }
    })
}

/// What wait(2) tells of an end.
pub(super) fn status(raw: i32) -> Result<Status, String> {
    if libc::WIFSIGNALED(raw) {
        let signal = u8::try_from(libc::WTERMSIG(raw)).ok().and_then(Signal::new);
        Ok(Status::Killed { signal: signal.ok_or("no signal")?, core: false })
    } else {
        u8::try_from(libc::WEXITSTATUS(raw)).map(Status::Exited).map_err(|_| "no code".into())
    }
}
