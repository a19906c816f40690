//! The system calls that happened against the steps that were decided: none more, none fewer.
//!
//! A record says what was decided, a [`Trace`] what was done about it. Here each effect and each request is
//! its calls, in order, with their arguments; and each event is what the call answered. Both are
//! gone through side by side, from the first call to the last. What no step decides is named too: the
//! calls of the start, the line for the record, the clock that an alarm needs.
//!
//! Of three things only the kind of call is prescribed, not the number: the words on stderr with what is looked
//! up in /proc for them, the walk over the descendants, and the census where kill(2) alone cannot
//! tell. In none of them may there be a call that another process could notice, but for the walk's
//! `pidfd_send_signal`, and each of these has to be the signal that was decided, through a descriptor whose process
//! was looked at with it open, and no process is sent it twice by one walk.

use lastout_core::{
    Effect, Entry, Event, Pid, Policy, Request, Role, Signal, SignalSet, SpawnError, Target,
};

use crate::trace::Trace;

mod child;
mod looks;
mod reaping;

use reaping::Held;

/// What is not in the record and decides about calls.
#[derive(Clone, Copy, Debug)]
pub struct Given<'g> {
    /// The file of the record.
    pub record: &'g str,
    /// The signals that were blocked when lastout was started, as [`Trace`] shows them.
    pub mask: &'g str,
}

const NS_PER_MS: u64 = 1_000_000;
const MONOTONIC: &str = "clock_gettime(1)";
const BOOTTIME: &str = "clock_gettime(7)";

type Found<T = ()> = Result<T, String>;

/// Compares a whole life. Returns what was sent to whom one by one, by pidfd.
///
/// # Errors
/// The first call that was not decided, or decided and not made.
pub fn compare(record: &str, trace: &Trace, given: Given<'_>) -> Found<Vec<(Pid, Signal)>> {
    let mut lines = record.lines();
    let policy: Policy = lines.next().unwrap_or("").parse().map_err(|e| format!("{e}"))?;
    let mut compared = Compared {
        calls: &trace.calls,
        at: 0,
        policy: &policy,
        file: String::new(),
        terminal: None,
        main: None,
        has_child: false,
        deadline: None,
        held: Held::Number,
        nobody: false,
        signalled: Vec::new(),
    };
    let told = |at: usize, compared: &Compared<'_>, why: String| {
        let before = compared.at.saturating_sub(6);
        let calls = compared.calls[before..compared.at].join("\n  ");
        let line = record.lines().nth(at).unwrap_or("the end");
        format!("line {}: {line:?}: {why}\nafter\n  {calls}", at + 1)
    };
    compared.starts(given).map_err(|why| told(0, &compared, why))?;
    let mut request = Request::Spawn;
    for (at, line) in record.lines().enumerate().skip(1) {
        let entry: Entry = line.parse().map_err(|e| format!("{line}: {e}"))?;
        let done = compared.step(request, entry, line);
        done.map_err(|why| told(at, &compared, why))?;
        request = entry.step.next;
    }
    let Request::Exit(code) = request else {
        return Err("the record has no end".to_owned());
    };
    let end = record.lines().count();
    let file = format!("close({})", compared.file);
    let left = compared.answered(&file, "0");
    let left = left.and_then(|()| compared.exactly(&format!("exit_group({code})")));
    left.map_err(|why| told(end, &compared, why))?;
    if let Some(more) = compared.calls.get(compared.at) {
        return Err(told(end, &compared, format!("one more: {more}")));
    }
    if !compared.has_child {
        let none = trace.child.is_empty();
        return if none { Ok(compared.signalled) } else { Err("whose child?".to_owned()) };
    }
    let main = compared.main;
    child::compare(&trace.child, given, compared.terminal.filter(|_| policy.terminal), main)?;
    Ok(compared.signalled)
}

struct Compared<'t> {
    calls: &'t [String],
    /// The next one.
    at: usize,
    policy: &'t Policy,
    /// The record's descriptor.
    file: String,
    /// The descriptor by which the terminal was found.
    terminal: Option<u32>,
    main: Option<Pid>,
    /// Was there a process at all?
    has_child: bool,
    /// When the alarm is over.
    deadline: Option<u64>,
    /// How the main child is held.
    held: Held<'t>,
    /// Was everybody signalled, and there was nobody, and has init not waited since, nor been told of an
    /// alarm? Then nobody is signalled again, and a census asks nobody.
    nobody: bool,
    signalled: Vec<(Pid, Signal)>,
}

impl<'t> Compared<'t> {
    // ------------------------------------------------------------------------- one call at a time

    fn peek(&self) -> &'t str {
        self.calls.get(self.at).map_or("nothing more", String::as_str)
    }

    fn wanted<T>(&self, expected: &str) -> Found<T> {
        Err(format!("{expected} is to come, not {}", self.peek()))
    }

    /// That call, whatever it answered; the answer.
    fn call(&mut self, expected: &str) -> Found<&'t str> {
        match self.peek().split_once(" = ") {
            // The text of a write may hold an equals sign; then the call is longer.
            Some((call, _)) if call == expected => (),
            _ if self.peek().strip_prefix(expected).is_some_and(|r| r.starts_with(" = ")) => (),
            _ => return self.wanted(expected),
        }
        let answer = &self.peek()[expected.len() + 3..];
        self.at += 1;
        Ok(answer)
    }

    /// That call with that answer.
    fn answered(&mut self, expected: &str, answer: &str) -> Found {
        let line = format!("{expected} = {answer}");
        if self.peek() != line {
            return self.wanted(&line);
        }
        self.at += 1;
        Ok(())
    }

    /// A line without an answer.
    fn exactly(&mut self, line: &str) -> Found {
        if self.peek() != line {
            return self.wanted(line);
        }
        self.at += 1;
        Ok(())
    }

    fn number<T: std::str::FromStr>(&mut self, expected: &str) -> Found<T> {
        let answer = self.call(expected)?;
        answer.parse().map_err(|_| format!("{expected} answered {answer}"))
    }

    // ------------------------------------------------------------------------------------ the start

    fn starts(&mut self, given: Given<'_>) -> Found {
        self.answered("rt_sigprocmask(all)", given.mask)?;
        self.file = self.call(&format!("openat({:?})", given.record))?.to_owned();
        let _: u32 = self.file.parse().map_err(|e| format!("the record's descriptor: {e}"))?;
        self.answered("rt_sigaction(CHLD, 0)", "0")?;
        let is_pid1 = self.number::<u32>("getpid()")? == 1;
        if is_pid1 != (self.policy.role == Role::Pid1) {
            return Err(format!("as {}", self.policy.role));
        }
        if !is_pid1 {
            let became = self.call("prctl(36, 1)")? == "0"; // PR_SET_CHILD_SUBREAPER
            if became != (self.policy.role == Role::Subreaper) {
                return Err(format!("as {}", self.policy.role));
            }
        }
        for fd in 0..=2 {
            if self.call(&format!("tcgetpgrp({fd})"))?.parse::<u32>().is_ok() {
                self.terminal = Some(fd);
                break;
            }
        }
        if let Some(fd) = self.terminal
            && self.is_ours(fd)? != self.policy.terminal
        {
            return Err("another terminal".to_owned());
        }
        self.recorded(&self.policy.to_string())
    }

    /// Is our group the terminal's foreground group?
    fn is_ours(&mut self, fd: u32) -> Found<bool> {
        let foreground: u32 = self.number(&format!("tcgetpgrp({fd})"))?;
        Ok(self.number::<u32>("getpgid(0)")? == foreground)
    }

    fn recorded(&mut self, line: &str) -> Found {
        let text = format!("{line}\n");
        self.answered(&format!("write({}, {text:?})", self.file), &text.len().to_string())
    }

    // ------------------------------------------------------------------------------------- a step

    fn step(&mut self, request: Request, entry: Entry, line: &str) -> Found {
        if matches!(
            request,
            Request::Spawn | Request::Wait | Request::Settle(_) | Request::Watch(_)
        ) {
            self.nobody = false;
        }
        match request {
            Request::Spawn => self.spawn(entry.event)?,
            Request::Wait => self.wait(entry.event)?,
            Request::Settle(quiet) => self.settles(quiet, entry.event)?,
            Request::Watch(main) => self.watches(main, entry.event)?,
            Request::Reap | Request::ReapOne(_) | Request::Prove(_) | Request::Census
                if self.is_overdue(entry.event)? => {}
            Request::Reap => self.reaps(entry.event)?,
            Request::ReapOne(child) => self.reaps_one(child, entry.event)?,
            Request::Prove(main) => self.proves(main, entry.event)?,
            Request::Census => self.census(entry.event)?,
            Request::Exit(_) => return Err("behind the end".to_owned()),
        }
        self.recorded(line)?;
        entry.step.effects.iter().try_for_each(|effect| self.effect(effect))
    }

    fn spawn(&mut self, event: Event) -> Found {
        match event {
            Event::Spawned(pid) => {
                self.answered("vfork()", &pid.to_string())?;
                (self.main, self.has_child) = (Some(pid), true);
                let file: u32 = self.file.parse().unwrap_or(2);
                if file > 3 {
                    self.call(&format!("close_range(3, {})", file - 1))?;
                }
                self.call(&format!("close_range({}, {})", file + 1, i32::MAX))?;
                self.answered("chdir(\"/\")", "0")
            }
            Event::SpawnFailed(SpawnError::NoProcess) => {
                let answer = self.call("vfork()")?;
                if answer.parse::<u32>().is_ok() {
                    return Err(format!("no process, but {answer}"));
                }
                self.says("cannot run")
            }
            Event::SpawnFailed(_) => {
                let pid: u32 = self.number("vfork()")?;
                self.has_child = true;
                self.answered(&format!("wait4({pid})"), &pid.to_string())?;
                self.says("cannot run")
            }
            other => Err(format!("{other}")),
        }
    }

    /// How long until the alarm is over, if one is set; or for how long it has been.
    fn left(&mut self) -> Found<Result<Option<u64>, u64>> {
        let Some(deadline) = self.deadline else {
            return Ok(Ok(None));
        };
        let now: u64 = self.number(MONOTONIC)?;
        Ok(deadline
            .checked_sub(now)
            .filter(|&left| left > 0)
            .map(Some)
            .ok_or(now.saturating_sub(deadline)))
    }

    fn wait(&mut self, event: Event) -> Found {
        loop {
            let limit = match self.left()? {
                Ok(left) => left.map_or("forever".to_owned(), |left| left.to_string()),
                Err(late) => return self.alarm(late, event),
            };
            if self.takes(&limit, event)? {
                return Ok(());
            }
        }
    }

    /// Takes a signal, which has to be that one; false, if there was none. Whom a CHLD names is told
    /// only where it matters.
    fn takes(&mut self, limit: &str, event: Event) -> Found<bool> {
        let take = format!("rt_sigtimedwait(all, {limit})");
        let answer = self.call(&take)?;
        if answer == "EAGAIN" || answer == "EINTR" {
            return Ok(false);
        }
        let signal = answer.split_once(" from ").map_or(answer, |halves| halves.0);
        let is_named = matches!(event, Event::Chld(_));
        let told = if is_named { answer } else { signal };
        if told != event.to_string() {
            self.at -= 1;
            return self.wanted(&format!("{take} = {event}"));
        }
        Ok(true)
    }

    fn alarm(&mut self, late: u64, event: Event) -> Found {
        (self.deadline, self.nobody) = (None, false);
        match event {
            Event::Alarm { late: told } if u64::from(told.0) == late / NS_PER_MS => Ok(()),
            _ => Err(format!("an alarm that is late by {late} ns")),
        }
    }

    /// Before init looks for anything else: is the alarm over?
    fn is_overdue(&mut self, event: Event) -> Found<bool> {
        let Some(deadline) = self.deadline else {
            return Ok(false);
        };
        let now: u64 = self.number(MONOTONIC)?;
        match now.checked_sub(deadline) {
            None => Ok(false),
            Some(late) => self.alarm(late, event).map(|()| true),
        }
    }

    fn census(&mut self, event: Event) -> Found {
        if self.policy.role != Role::Pid1 {
            return if event == Event::Alone { Ok(()) } else { Err(format!("{event}")) };
        }
        if self.nobody {
            return if event == Event::Alone { Ok(()) } else { Err("nobody was there".to_owned()) };
        }
        self.answered("getpid()", "1")?;
        if self.call("kill(-1, 0)")? == "ESRCH" {
            return if event == Event::Alone { Ok(()) } else { Err("nobody is there".to_owned()) };
        }
        // Only /proc can tell if they are alive: one who is settles it.
        self.looks()
    }

    // ---------------------------------------------------------------------------------- an effect

    fn effect(&mut self, effect: Effect) -> Found {
        match effect {
            Effect::Kill { target, signal, value } => self.kill(target, signal, value),
            Effect::SetAlarm(span) => {
                let now: u64 = self.number(MONOTONIC)?;
                self.deadline = Some(now + u64::from(span.0) * NS_PER_MS);
                Ok(())
            }
            Effect::ForegroundMain(pid) => {
                if let Some(fd) = self.terminal.filter(|_| self.policy.terminal)
                    && self.is_ours(fd)?
                {
                    self.call(&format!("tcsetpgrp({fd}, {pid})"))?;
                }
                Ok(())
            }
            Effect::ForegroundOwn => {
                let (Some(fd), Some(main)) = (self.terminal, self.main) else {
                    return Ok(());
                };
                if self.call(&format!("tcgetpgrp({fd})"))? == main.to_string() {
                    let own: u32 = self.number("getpgid(0)")?;
                    self.call(&format!("tcsetpgrp({fd}, {own})"))?;
                }
                Ok(())
            }
            Effect::StopSelf => {
                if self.number::<u32>("getpgid(0)")? == 0 {
                    let own: u32 = self.number("getpid()")?;
                    self.call(&format!("kill({own}, TSTP)"))?;
                } else {
                    self.call("kill(0, TSTP)")?;
                }
                let open = !SignalSet::EMPTY.with(Signal::TSTP).bits();
                let before = self.call(&format!("rt_sigprocmask({open:016x})"))?;
                self.call(&format!("rt_sigprocmask({before})")).map(drop)
            }
            Effect::Detach(pid, signal) => {
                let signal = signal.map_or("0".to_owned(), |signal| signal.to_string());
                self.call(&format!("ptrace(detach, {pid}, {signal})")).map(drop)
            }
            Effect::KernelReaps => self.answered("rt_sigaction(CHLD, 1)", "0"),
            Effect::InitReaps => self.reclaims(),
            Effect::Say(notice) => self.tells(notice),
        }
    }

    fn kill(&mut self, target: Target, signal: Signal, value: Option<u64>) -> Found {
        match target {
            Target::Main(_) | Target::Group(_) if self.held != Held::Number => {
                self.kills_held(target, signal, value)
            }
            Target::Main(pid) => {
                if let Some(value) = value {
                    let _: u32 = self.number("getpid()")?;
                    let queue = libc::SI_QUEUE;
                    let call = format!("rt_sigqueueinfo({pid}, {signal}, {queue} value {value})");
                    if self.call(&call)? == "0" {
                        return Ok(());
                    }
                }
                self.call(&format!("kill({pid}, {signal})")).map(drop)
            }
            Target::Group(pid) => self.call(&format!("kill(-{pid}, {signal})")).map(drop),
            Target::All => {
                self.notes_asking(signal)?;
                if self.nobody {
                    return Ok(());
                }
                self.answered("getpid()", "1")?;
                self.nobody = self.call(&format!("kill(-1, {signal})"))? == "ESRCH";
                Ok(())
            }
            Target::Descendants => {
                self.notes_asking(signal)?;
                self.walks(signal)
            }
        }
    }

    /// For the words later: when was everybody asked?
    fn notes_asking(&mut self, signal: Signal) -> Found {
        if signal == self.policy.drain_signal { self.call(BOOTTIME).map(drop) } else { Ok(()) }
    }
}
