//! The stage: the simulated world in which a record is lived again, and everybody in it who
//! makes what is told come true.
//!
//! Init's side is the driver of every simulated life: the same answers, the same effects. The
//! others have no programs; kernel calls are made in their place, as few as possible and as late
//! as possible, by a process, by somebody outside, by the kernel. A process is there from when
//! it is first needed; what it did before, nobody had seen.

use std::collections::HashSet;

use lastout_core::{
    Effect, Entry, Event, Pid, Policy, Request, Role, Signal, SignalSet, Status, Target,
};

use super::plan::{Child, CouldLive, Plan, Told};
use super::{Premises, Why};
use crate::kernel::{
    Disposition, Kernel, Report, STOPS, Sender, State, dumps_by_default, kills_by_default,
};
use crate::program::{Code, Library, Program};
use crate::setting::Setting;
use crate::world::World;

/// What everybody executes: nothing that anybody looks at.
const ANYTHING: u8 = 0;

/// A child that is told of, as far as the stage has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// It is not there yet.
    ToCome,
    /// It is init's child.
    There,
    /// It is dead, and somebody holds its zombie (K39).
    Held,
    /// It is reaped.
    Gone,
}

pub(super) struct Stage<'r> {
    told: &'r [Told],
    plan: Plan,
    premises: Premises,
    setting: Setting,
    world: World,
    init: Pid,
    parts: Vec<Part>,
    /// The steps whose report is ready.
    done: Vec<bool>,
    /// The numbers that the record knows: nobody else gets them.
    known: HashSet<u32>,
    /// Who entered to be company.
    visitor: Option<Pid>,
    /// Who was continued and must be dead, and held, before anybody looks.
    vanishing: Vec<usize>,
}

impl<'r> Stage<'r> {
    /// The beginning. Of the steps only the first `known` are looked ahead at.
    pub(super) fn new(policy: &Policy, told: &'r [Told], known: usize, premises: Premises) -> Self {
        let plan = Plan::new(told, known, policy.role);
        let numbers: HashSet<u32> = plan.children.iter().map(|c| c.pid.number()).collect();
        let program =
            Program { name: "anything".into(), code: Vec::new(), labels: Default::default() };
        let mut setting = Setting::new(*policy, Library { programs: vec![program] });
        setting.judged = false;
        setting.faults.eperm = premises.denied;
        let own = if setting.is_pid1() { Pid::new(1) } else { nobodys(&numbers, |_| true) };
        let init = own.expect("a record has no four million pids");
        let world = World::empty(&setting, init);
        let (parts, done) = (vec![Part::ToCome; plan.children.len()], vec![false; told.len()]);
        let mut stage = Self {
            told,
            plan,
            premises,
            setting,
            world,
            init,
            parts,
            done,
            known: numbers,
            visitor: None,
            vanishing: Vec::new(),
        };
        stage.begins();
        stage
    }

    /// Lives the record. The step that cannot be, and why.
    pub(super) fn lives(mut self) -> Result<(), (usize, Why)> {
        (0..self.told.len()).try_for_each(|at| self.step(at).map_err(|why| (at, why)))
    }

    fn step(&mut self, at: usize) -> Result<(), Why> {
        let Entry { event, step } = self.told[at].entry;
        if at > 0 {
            self.makes_ready(at);
        }
        let request = self.world.driver().expect("an init").request();
        let looks = request == Request::Reap && !matches!(event, Event::Alarm { .. });
        if looks || matches!(event, Event::Signal { signal: Signal::CHLD, .. }) {
            for child in std::mem::take(&mut self.vanishing) {
                if self.parts[child] == Part::There {
                    self.announces(at);
                    self.keeps_descendants(child, at);
                    self.vanishes(child, at - 1);
                }
            }
        }
        self.comes_true(at, event)?;
        let answer = match event {
            Event::Spawned(pid) => self.world.spawns(&self.setting, pid),
            _ => self.world.answer(&self.setting, request).expect("it has not left"),
        };
        if !is_same(answer, event) {
            return Err(Why::Answers(answer));
        }
        let _ = self.world.decides(&self.setting, event);
        match event {
            Event::Spawned(_) => {
                let main = self.plan.main.expect("it is told of");
                self.parts[main] = Part::There;
                self.is_anybodys(self.plan.children[main].pid);
            }
            Event::Reaped(..) => {
                self.parts[self.plan.whom[at].expect("it is told of")] = Part::Gone;
            }
            _ => (),
        }
        for effect in step.effects.iter() {
            if let Effect::Kill { target, signal: signal @ (Signal::KILL | Signal::CONT), .. } =
                effect
            {
                self.dies_first(at, target, signal);
            }
        }
        let _ = self.world.performs_all(&self.setting);
        Ok(())
    }

    const fn kernel(&mut self) -> &mut Kernel {
        &mut self.world.kernel
    }

    // -------------------------------------------------------------------------- the beginning

    /// What was there before init had blocked its signals.
    fn begins(&mut self) {
        let role = self.setting.policy.role;
        if role != Role::Pid1 && self.plan.next_no_children(0).is_none() {
            // Whoever is never told of: it stays for ever.
            let pid = self.nobody();
            self.is_inherited(pid);
        }
        for child in self.plan.inherited.clone() {
            self.inherits(child);
        }
        for report in self.plan.ready(0).to_vec() {
            let child = self.plan.whom[report].expect("it is told of");
            if Some(child) != self.plan.main {
                self.inherits(child);
                self.is_ready(report);
            }
        }
        let failed = matches!(self.told.first(), Some(Told { entry, .. })
            if matches!(entry.event, Event::SpawnFailed(_)));
        if failed && role == Role::Subreaper && !self.has_living(None) {
            if let Some(child) = self.candidate(0) {
                self.inherits(child);
            } else {
                for (child, report) in self.rest_of_batch(0) {
                    self.inherits(child);
                    self.is_ready(report);
                }
            }
        }
        // Its first system call blocks all signals.
        let _ = self.world.init_moves(&self.setting);
    }

    fn inherits(&mut self, child: usize) {
        let pid = self.plan.children[child].pid;
        if self.could_come(child) {
            self.is_inherited(pid);
            self.parts[child] = Part::There;
        }
    }

    fn is_inherited(&mut self, pid: Pid) {
        let init = self.init;
        let _ = self.kernel().fork_as(pid, init, Code::start(ANYTHING));
        self.is_anybodys(pid);
    }

    // ------------------------------------------------------------------- what is told comes true

    /// The fewest moves of others that make `event` the answer.
    fn comes_true(&mut self, at: usize, event: Event) -> Result<(), Why> {
        match event {
            Event::Spawned(pid) if !self.world.kernel.is_free(pid.number()) => {
                return Err(Why::InUse(pid));
            }
            Event::SpawnFailed(error) => self.setting.faults.spawn = Some(error),
            Event::Signal { signal, value } => {
                if !signal.can_be_taken() {
                    return Err(Why::NeverTaken(signal));
                }
                let init = self.init;
                if !self.pending().contains(signal) {
                    self.kernel().generate(init, signal, Sender::Outside, value);
                }
            }
            Event::Alarm { late } => {
                if !self.world.alarm_is_due(late) {
                    return Err(Why::NoAlarm);
                }
            }
            Event::Reaped(_, Status::Killed { signal, core }) => {
                if !kills_by_default(signal) {
                    return Err(Why::KillsNobody(signal));
                }
                if core && !dumps_by_default(signal) {
                    return Err(Why::NoCore(signal));
                }
                self.is_told(at)?;
            }
            Event::Stopped(_, signal) if !STOPS.contains(signal) => {
                return Err(Why::StopsNobody(signal));
            }
            Event::Trapped(_, Signal::KILL) => return Err(Why::NeverTaken(Signal::KILL)),
            Event::Reaped(..) | Event::Stopped(..) | Event::Trapped(..) | Event::Continued(_) => {
                self.is_told(at)?;
            }
            Event::NoneReady => self.keeps_a_child(at),
            Event::Alone => self.visitor_leaves(),
            Event::Company => self.has_company(),
            Event::Spawned(_) | Event::NoChildren => (),
        }
        Ok(())
    }

    /// What has to be ready before that step is taken.
    fn makes_ready(&mut self, at: usize) {
        for report in self.plan.ready(at).to_vec() {
            let child = self.plan.whom[report].expect("it is told of");
            self.announces(at);
            self.let_go(child);
            self.comes(child, None);
            if self.parts[child] == Part::There && !self.done[report] {
                self.keeps_descendants(child, at);
                self.is_ready(report);
            }
        }
    }

    /// A child has something to tell now, if it had not before.
    fn is_told(&mut self, at: usize) -> Result<(), Why> {
        let child = self.plan.whom[at].expect("it is told of");
        let pid = self.plan.children[child].pid;
        self.announces(at);
        self.let_go(child);
        if self.done[at] {
            return Ok(());
        }
        let adopted_with = self.plan.unannounced.binary_search(&at).is_ok().then_some(at);
        self.comes(child, adopted_with);
        if self.parts[child] != Part::There {
            let free = self.world.kernel.is_free(pid.number());
            return Err(if free { Why::NobodysChild(pid) } else { Why::InUse(pid) });
        }
        if !self.done[at] {
            self.keeps_descendants(child, at);
            self.is_ready(at);
        }
        Ok(())
    }

    /// Whoever holds its zombie lets go of it.
    fn let_go(&mut self, child: usize) {
        if self.parts[child] == Part::Held {
            let pid = self.plan.children[child].pid;
            self.kernel().let_go(pid);
            self.parts[child] = Part::There;
        }
    }

    /// The next CHLD may have come with a value, and then before any other (K21).
    fn announces(&mut self, at: usize) {
        let Some(chld) = self.plan.next_chld(at) else {
            return;
        };
        if let Event::Signal { value: Some(value), .. } = self.told[chld].entry.event
            && !self.pending().contains(Signal::CHLD)
        {
            let init = self.init;
            self.kernel().generate(init, Signal::CHLD, Sender::Outside, Some(value));
        }
    }

    fn pending(&self) -> SignalSet {
        self.world.kernel.process(self.init).map_or(SignalSet::EMPTY, |init| init.pending)
    }

    /// The child does what that step tells of it.
    fn is_ready(&mut self, report: usize) {
        let event = self.told[report].entry.event;
        let child = self.plan.whom[report].expect("it is told of");
        let pid = self.plan.children[child].pid;
        self.done[report] = true;
        match event {
            Event::Reaped(_, status) => self.dies(pid, status),
            Event::Stopped(_, signal) => {
                self.is_woken(pid);
                self.gets(pid, signal);
            }
            Event::Trapped(_, signal) => {
                self.is_woken(pid);
                if let Some(process) = self.kernel().process_mut(pid) {
                    process.traced_by_parent = true; // PTRACE_TRACEME
                }
                self.gets(pid, signal);
            }
            Event::Continued(_) => {
                let told = self.world.kernel.process(pid).map(|p| (p.report, p.state));
                if let Some((report, state)) = told
                    && report != Some(Report::Continued)
                {
                    if state != State::Stopped {
                        self.gets(pid, Signal::STOP);
                    }
                    self.kernel().generate(pid, Signal::CONT, Sender::Outside, None);
                }
            }
            _ => (),
        }
    }

    fn dies(&mut self, pid: Pid, status: Status) {
        if self.is_killed(pid) {
            let _ = self.kernel().find(pid).map(|at| self.kernel().deliver(at));
            return;
        }
        if !matches!(status, Status::Killed { signal: Signal::KILL, .. }) {
            self.is_woken(pid);
        }
        match status {
            Status::Exited(code) => {
                self.runs(pid);
                self.kernel().exit(pid, code);
            }
            Status::Killed { signal, .. } => self.gets(pid, signal),
        }
    }

    /// Whoever is stopped, or about to be, is continued from outside.
    fn is_woken(&mut self, pid: Pid) {
        let stands = |p: &crate::kernel::Process| {
            p.state == State::Stopped || STOPS.iter().any(|stop| p.pending.contains(stop))
        };
        if self.world.kernel.process(pid).is_some_and(stands) {
            self.kernel().generate(pid, Signal::CONT, Sender::Outside, None);
        }
    }

    /// The process has dealt with all that it was sent, and is now sent `signal`.
    fn gets(&mut self, pid: Pid, signal: Signal) {
        self.runs(pid);
        self.kernel().generate(pid, signal, Sender::Outside, None);
        if let Some(at) = self.kernel().find(pid) {
            self.kernel().deliver(at);
        }
    }

    /// The process deals with all that it was sent.
    fn runs(&mut self, pid: Pid) {
        let pending = self.world.kernel.process(pid).map_or(SignalSet::EMPTY, |p| p.pending);
        for other in pending.iter() {
            let _ = self.kernel().set_disposition(pid, other, Disposition::Ignore);
            let _ = self.kernel().set_disposition(pid, other, Disposition::Default);
        }
        if let Some(at) = self.kernel().find(pid) {
            self.kernel().deliver(at);
        }
    }

    /// Before init sends KILL: whoever is told to have ended otherwise is dead by now, and whoever
    /// is told to stand still does. And if need be somebody holds a zombie until it is told of; so
    /// too before CONT, of which a stopped child would have to tell.
    fn dies_first(&mut self, at: usize, target: Target, signal: Signal) {
        if self.premises.denied || signal == Signal::CONT && !self.premises.held {
            return;
        }
        for child in 0..self.parts.len() {
            let is_main = Some(child) == self.plan.main;
            let reached = is_main || matches!(target, Target::All | Target::Descendants);
            if self.parts[child] != Part::There || !reached {
                continue;
            }
            let pid = self.plan.children[child].pid;
            let state = self.world.kernel.process(pid).map(|process| process.state);
            let report = self.plan.next_report(child, at).filter(|&report| !self.done[report]);
            let told = report.map(|report| self.told[report].entry.event);
            let concerned = match (signal, told) {
                (Signal::CONT, None | Some(Event::Reaped(..))) => state == Some(State::Stopped),
                (Signal::KILL, Some(Event::Reaped(_, Status::Killed { signal, .. }))) => {
                    signal != Signal::KILL
                }
                (Signal::KILL, Some(Event::Reaped(..))) => true,
                (Signal::KILL, Some(_)) => report.is_some_and(|r| self.plan.is_one_batch(at, r)),
                _ => false,
            };
            if !concerned {
                continue;
            }
            let in_turn = report.is_some_and(|report| self.is_in_turn(child, at, report));
            if signal == Signal::CONT {
                if !in_turn {
                    self.vanishing.push(child);
                }
                continue;
            }
            self.announces(at + 1);
            self.keeps_descendants(child, at);
            match (report, told) {
                (_, Some(Event::Reaped(..))) if self.premises.held && !in_turn => {
                    self.vanishes(child, at);
                }
                (Some(report), _) => self.is_ready(report),
                (None, _) => (),
            }
        }
    }

    /// If the child has something to tell from now on, will it be told by that step, and not
    /// before? Then all that are told of before it are elder.
    fn is_in_turn(&self, child: usize, now: usize, report: usize) -> bool {
        let place = |child: usize| self.world.kernel.find(self.plan.children[child].pid);
        let own = place(child);
        let is_elder =
            |other: usize| other == child || self.parts[other] == Part::There && place(other) < own;
        self.plan.is_one_batch(now, report)
            && self.plan.whom[now + 1..report].iter().flatten().all(|&other| is_elder(other))
    }

    /// It dies, and somebody holds its zombie until it is told of.
    fn vanishes(&mut self, child: usize, at: usize) {
        let pid = self.plan.children[child].pid;
        if let Some(process) = self.kernel().process_mut(pid) {
            process.traced = true;
        }
        self.parts[child] = Part::Held;
        match self.plan.next_report(child, at) {
            Some(report) => self.is_ready(report),
            None => self.dies(pid, Status::Exited(0)),
        }
    }

    // ----------------------------------------------------------------------- who comes from where

    /// The child is there, and whoever was before it. `adopted_with`: it had something to tell
    /// before it was init's, and no CHLD announced it.
    fn comes(&mut self, child: usize, adopted_with: Option<usize>) {
        if self.parts[child] != Part::ToCome {
            return;
        }
        if self.plan.children[child].elders.is_empty() {
            self.is_adopted(child, adopted_with);
            return;
        }
        let mut placed: Vec<bool> = self.parts.iter().map(|part| *part != Part::ToCome).collect();
        let mut order = Vec::new();
        self.plan.elders_first(child, &mut placed, &mut order);
        for other in order {
            self.is_adopted(other, adopted_with.filter(|_| other == child));
        }
    }

    /// It is not there, and its number is nobody's any more.
    fn could_come(&self, child: usize) -> bool {
        let Child { pid, before, .. } = &self.plan.children[child];
        self.parts[child] == Part::ToCome
            && before.is_none_or(|before| self.parts[before] == Part::Gone)
            && self.world.kernel.is_free(pid.number())
    }

    /// The child is born to somebody who dies, and becomes init's. What that step tells of it, it
    /// did before.
    fn is_adopted(&mut self, child: usize, mut with: Option<usize>) {
        if !self.could_come(child) {
            return;
        }
        let (pid, host) = (self.plan.children[child].pid, self.nobody());
        let mut killed = false;
        match self.setting.policy.role {
            Role::Pid1 => {
                let _ = self.kernel().enter_as(host, Code::start(ANYTHING));
            }
            Role::Subreaper => {
                let Some(above) = self.living().next() else {
                    return;
                };
                killed = self.is_killed(above);
                let _ = self.kernel().fork_as(host, above, Code::start(ANYTHING));
            }
            // Its orphans are somebody else's.
            Role::Plain => return,
        }
        let _ = self.kernel().fork_as(pid, host, Code::start(ANYTHING));
        self.is_anybodys(pid);
        self.parts[child] = Part::There;
        if killed {
            // KILL has reached everybody. It was there before that, and nobody had seen it.
            let first = self.plan.children[child].reports.first().copied();
            match first.map(|first| self.told[first].entry.event) {
                Some(Event::Reaped(..)) => killed = false,
                Some(Event::Stopped(..) | Event::Continued(_)) => with = first,
                _ => (),
            }
        }
        if let Some(report) = with {
            self.is_ready(report);
        }
        if killed {
            self.kernel().generate(pid, Signal::KILL, Sender::Outside, None);
        }
        self.leaves(host);
    }

    /// Has KILL reached it?
    fn is_killed(&self, pid: Pid) -> bool {
        self.world.kernel.process(pid).is_some_and(|p| p.pending.contains(Signal::KILL))
    }

    /// It dies, and whoever it is a child of, inside or outside, reaps it.
    fn leaves(&mut self, pid: Pid) {
        self.kernel().exit(pid, 0);
        if let Some(at) = self.kernel().find(pid) {
            self.kernel().release(at);
        }
    }

    /// A group of its own in init's session, so that it can be stopped by the terminal (K72); or
    /// another user in another session, if init is to be denied (K51, K66).
    fn is_anybodys(&mut self, pid: Pid) {
        let session = self.world.kernel.process(self.init).map_or(0, |init| init.session);
        let denied = self.premises.denied;
        let is_main = self.plan.main.is_some_and(|main| self.plan.children[main].pid == pid);
        self.kernel().set_blocked(pid, SignalSet::EMPTY);
        if let Some(process) = self.kernel().process_mut(pid) {
            process.uid = u8::from(denied);
            process.session = session;
        }
        let _ = self.kernel().setpgid(pid);
        if denied
            && !is_main
            && let Some(process) = self.kernel().process_mut(pid)
        {
            process.session = pid.number();
        }
    }

    /// A number that the record does not know and that is free.
    fn nobody(&self) -> Pid {
        nobodys(&self.known, |number| self.world.kernel.is_free(number)).expect("a number")
    }

    /// Init's living children.
    fn living(&self) -> impl Iterator<Item = Pid> {
        let init = Some(self.init);
        self.world
            .kernel
            .processes
            .iter()
            .filter(move |p| p.parent == init && p.is_alive())
            .map(|p| p.pid)
    }

    fn has_living(&self, but: Option<Pid>) -> bool {
        self.living().any(|pid| Some(pid) != but)
    }

    // ------------------------------------------------------------------- who has to be there

    /// Init is told that it has children: one of those that are told of later, or one that never
    /// is.
    fn keeps_a_child(&mut self, at: usize) {
        let init = Some(self.init);
        if self.world.kernel.processes.iter().any(|p| p.parent == init) {
            return;
        }
        if let Some(child) = self.candidate(at) {
            self.comes(child, None);
        } else if self.plan.next_no_children(at).is_none() && self.setting.is_pid1() {
            let (pid, host) = (self.nobody(), Code::start(ANYTHING));
            let _ = self.kernel().enter_as(pid, host);
            let child = self.nobody();
            let _ = self.kernel().fork_as(child, pid, Code::start(ANYTHING));
            self.is_anybodys(child);
            self.leaves(pid);
        }
    }

    /// Who is told of later can only be born to somebody who lives: before the last one dies
    /// below a subreaper the next one is there, or all that are told of next are, and dead.
    fn keeps_descendants(&mut self, dying: usize, at: usize) {
        let pid = self.plan.children[dying].pid;
        if self.setting.policy.role != Role::Subreaper || self.has_living(Some(pid)) {
            return;
        }
        if let Some(child) = self.candidate(at) {
            self.comes(child, None);
            return;
        }
        for (child, report) in self.rest_of_batch(at) {
            let zombie = self.plan.children[child].pid;
            if self.could_come(child) {
                let _ = self.kernel().fork_as(zombie, pid, Code::start(ANYTHING));
                self.is_anybodys(zombie);
                self.parts[child] = Part::There;
                self.is_ready(report);
            }
        }
    }

    /// A child that is told of later and could be there from now on.
    fn candidate(&self, at: usize) -> Option<usize> {
        let until = self.plan.next_no_children(at).unwrap_or(self.told.len());
        let mut second = None;
        for report in at..until {
            let Some(child) = self.plan.whom[report] else {
                continue;
            };
            let is_first = self.plan.children[child].reports.first() == Some(&report);
            if !is_first || Some(child) == self.plan.main || !self.could_come(child) {
                continue;
            }
            match self.plan.could_live(child, at) {
                CouldLive::Well => return Some(child),
                CouldLive::Hardly => second = second.or(Some(child)),
                CouldLive::OnlyHeld if self.premises.held => second = second.or(Some(child)),
                CouldLive::OnlyHeld => (),
            }
        }
        second
    }

    /// Whoever else is told to be dead before somebody says that nothing is ready.
    fn rest_of_batch(&self, at: usize) -> Vec<(usize, usize)> {
        let mut rest = Vec::new();
        for report in at..self.told.len() {
            match self.told[report].entry.event {
                Event::NoneReady | Event::NoChildren => break,
                Event::Reaped(..) => {
                    let child = self.plan.whom[report].expect("it is told of");
                    let first = self.plan.children[child].reports.first();
                    if self.parts[child] == Part::ToCome && first == Some(&report) {
                        rest.push((child, report));
                    }
                }
                _ => (),
            }
        }
        rest
    }

    fn has_company(&mut self) {
        if self.world.kernel.others_alive() == 0 && self.setting.is_pid1() {
            let pid = self.nobody();
            let _ = self.kernel().enter_as(pid, Code::start(ANYTHING));
            self.visitor = Some(pid);
        }
    }

    fn visitor_leaves(&mut self) {
        if let Some(pid) = self.visitor.take() {
            self.leaves(pid);
        }
    }
}

/// The first number that no record knows and that is free.
fn nobodys(known: &HashSet<u32>, free: impl Fn(u32) -> bool) -> Option<Pid> {
    (2..=Pid::MAX).find(|number| !known.contains(number) && free(*number)).and_then(Pid::new)
}

/// Is it the same? How late an alarm is, nobody can tell; core dumps are not simulated (K27).
fn is_same(answer: Event, told: Event) -> bool {
    let without_core = |event| match event {
        Event::Reaped(pid, Status::Killed { signal, .. }) => {
            Event::Reaped(pid, Status::Killed { signal, core: false })
        }
        event => event,
    };
    let alarms = matches!((answer, told), (Event::Alarm { .. }, Event::Alarm { .. }));
    alarms || without_core(answer) == without_core(told)
}
