//! Storms: who reaps, and how the main child is held while the kernel does.

use lastout_core::{Event, Millis, Pid, Signal, Target};

use super::{Compared, Found, NS_PER_MS};

/// How the main child is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held<'t> {
    /// By its number: it is init's to reap.
    Number,
    /// By a descriptor, with another that tells of signals.
    Descriptors { process: &'t str, signals: &'t str },
    /// Not at all: its end was told.
    Not,
    /// Not at all: the kernel had reaped it, and that is still to be told.
    Untold(Event),
}

impl<'t> Compared<'t> {
    pub(super) fn settles(&mut self, quiet: Millis, event: Event) -> Found {
        let quiet = u64::from(quiet.0) * NS_PER_MS;
        loop {
            let limit = match self.left()? {
                Ok(left) => left.map_or(quiet, |left| left.min(quiet)),
                Err(late) => return self.alarm(late, event),
            };
            let take = format!("rt_sigtimedwait(all, {limit})");
            if self.peek() == format!("{take} = EAGAIN") {
                self.at += 1;
                if self.is_overdue(event)? || event == Event::Settled {
                    return Ok(());
                }
                return Err(format!("nothing has come, and {event}"));
            }
            if self.takes(&limit.to_string(), event)? {
                // It is told whom it names, if it names somebody.
                let call = &self.calls[self.at - 1];
                let is_named = call.contains(" = signal CHLD from ");
                let fine = is_named == matches!(event, Event::Chld(_));
                return if fine { Ok(()) } else { Err(format!("{call}, and {event}")) };
            }
        }
    }

    pub(super) fn watches(&mut self, main: Pid, event: Event) -> Found {
        let Held::Descriptors { process, signals } = self.held else {
            return Err("nothing to watch".to_owned());
        };
        loop {
            let limit = match self.left()? {
                Ok(left) => left.map_or("forever".to_owned(), |left| left.to_string()),
                Err(late) => return self.alarm(late, event),
            };
            let answer = self.call(&watch(process, signals, &limit))?;
            if answer.starts_with("reaped") {
                let end = self.end_of(process, main)?;
                self.lets_go(Held::Not)?;
                return if end == event { Ok(()) } else { Err(format!("{end}, and {event}")) };
            }
            if self.takes("0", event)? {
                return Ok(());
            }
        }
    }

    pub(super) fn reaps(&mut self, event: Event) -> Found {
        if let Held::Untold(end) = self.held {
            self.held = Held::Number;
            return if end == event { Ok(()) } else { Err(format!("{end}, and {event}")) };
        }
        let Held::Descriptors { process, .. } = self.held else {
            return self.answered("waitid(any)", &said(event));
        };
        let Some(main) = self.main else {
            return Err("no main child".to_owned());
        };
        let is_end = matches!(event, Event::Reaped(pid, _) if pid == main);
        if is_end && self.peek() == "waitid(any) = ECHILD" {
            // The kernel is about to have reaped it.
            self.at += 1;
            let end = self.is_awaited(process, main)?;
            if end != event {
                return Err(format!("{end}, and {event}"));
            }
        } else {
            self.answered("waitid(any)", &said(event))?;
        }
        if is_end { self.lets_go(Held::Not) } else { Ok(()) }
    }

    pub(super) fn reaps_one(&mut self, child: Pid, event: Event) -> Found {
        let call = format!("waitid({child})");
        if event == Event::NoneReady && self.peek() == format!("{call} = ECHILD") {
            self.at += 1;
            return Ok(());
        }
        self.answered(&call, &said(event))
    }

    /// What is tried on an orphan. Whatever is refused, the orphan is reaped.
    pub(super) fn proves(&mut self, main: Pid, event: Event) -> Found {
        let dead = self.call("waitid(look)")?;
        let dead = dead.strip_prefix("reaped ").and_then(|rest| rest.split(' ').next());
        let Some(dead) = dead.filter(|dead| *dead != main.to_string()) else {
            return self.reaps(event);
        };
        let signals = self.call("signalfd(all)")?;
        let process =
            if is_open(signals) { self.call(&format!("pidfd_open({main})"))? } else { "" };
        let may_signal = is_open(process)
            && self.call(&format!("pidfd_send_signal({process}, 0, 0, 0)"))? == "0";
        let orphan = if may_signal { self.call(&format!("pidfd_open({dead})"))? } else { "" };
        let mut is_reaped = false;
        let mut is_proven = false;
        if is_open(orphan) {
            is_reaped = self.call(&format!("waitid(fd {orphan}, end)"))?.starts_with("reaped ");
            let end = self.calls[self.at - 1].rsplit_once("reaped ").map_or("", |halves| halves.1);
            is_proven = is_reaped
                && self.call(&watch(orphan, "-1", "0"))? == "reaped"
                && format!("{dead} {}", self.call(&format!("pidfd_info({orphan}, exit)"))?) == end;
            let word = if is_proven { "proven" } else { "reaped" };
            if is_reaped && event.to_string() != format!("{word} {end}") {
                return Err(format!("{word} {end}, and {event}"));
            }
        }
        if !is_reaped && is_open(orphan) {
            self.reaps(event)?;
        }
        let close = |fd: &str| is_open(fd).then(|| format!("close({fd})"));
        let kept = if is_proven { ["", ""] } else { [process, signals] };
        for call in [orphan, kept[0], kept[1]].into_iter().filter_map(close) {
            self.answered(&call, "0")?;
        }
        if is_proven {
            self.held = Held::Descriptors { process, signals };
        }
        if is_reaped || is_open(orphan) { Ok(()) } else { self.reaps(event) }
    }

    pub(super) fn reclaims(&mut self) -> Found {
        self.answered("rt_sigaction(CHLD, 0)", "0")?;
        let Held::Descriptors { process, .. } = self.held else {
            self.held = Held::Number;
            return Ok(());
        };
        let Some(main) = self.main else {
            return Err("no main child".to_owned());
        };
        let is_gone = self.call(&format!("waitid(fd {process}, look)"))? == "ECHILD";
        let next =
            if is_gone { Held::Untold(self.is_awaited(process, main)?) } else { Held::Number };
        self.lets_go(next)
    }

    pub(super) fn kills_held(
        &mut self,
        target: Target,
        signal: Signal,
        value: Option<u64>,
    ) -> Found {
        let Held::Descriptors { process, .. } = self.held else {
            // Nobody is there.
            return Ok(());
        };
        let send = |with: &str, flags: u8| {
            format!("pidfd_send_signal({process}, {signal}, {with}, {flags})")
        };
        if let Target::Group(_) = target {
            return self.call(&send("0", 4)).map(drop); // PIDFD_SIGNAL_PROCESS_GROUP
        }
        if let Some(value) = value {
            let _: u32 = self.number("getpid()")?;
            let queue = libc::SI_QUEUE;
            if self.call(&send(&format!("{queue} value {value}"), 0))? == "0" {
                return Ok(());
            }
        }
        self.call(&send("0", 0)).map(drop)
    }

    /// Waits for nothing but that the kernel has reaped it; its end.
    fn is_awaited(&mut self, process: &str, main: Pid) -> Found<Event> {
        while self.call(&watch(process, "-1", "forever"))? != "reaped" {}
        self.end_of(process, main)
    }

    fn end_of(&mut self, process: &str, main: Pid) -> Found<Event> {
        let end = self.call(&format!("pidfd_info({process}, exit)"))?;
        format!("reaped {main} {end}").parse().map_err(|e| format!("{end}: {e}"))
    }

    fn lets_go(&mut self, next: Held<'t>) -> Found {
        if let Held::Descriptors { process, signals } = std::mem::replace(&mut self.held, next) {
            self.answered(&format!("close({process})"), "0")?;
            self.answered(&format!("close({signals})"), "0")?;
        }
        Ok(())
    }
}

/// Waiting for the end of a process, with no event asked for but the one that is always told, and
/// for signals, if there is a descriptor of them.
fn watch(process: &str, signals: &str, limit: &str) -> String {
    format!("ppoll({process} for 0, {signals} for {}, {limit})", libc::POLLIN)
}

fn is_open(answer: &str) -> bool {
    answer.parse::<u32>().is_ok()
}

/// What waitid(2) answers.
fn said(event: Event) -> String {
    match event {
        Event::NoneReady => "nothing".to_owned(),
        Event::NoChildren => "ECHILD".to_owned(),
        event => event.to_string(),
    }
}
