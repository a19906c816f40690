//! A world as small as it can be and still be consistent: it answers as a kernel could, and
//! whatever else happens in it, happens because a [`Move`] says so.
//!
//! It is no model of Linux. There are no dispositions, groups or sessions; a signal other than
//! KILL and CONT does nothing by itself, and that a process ends of it is a move. What it does
//! keep to: one pending CHLD for any number of reports; standard signals are pending once,
//! real-time ones queued with their values, the lowest number is taken first; a report that is
//! not taken is replaced by the next; a zombie keeps its pid, and the lowest free pid is given
//! next, so that the main child's is reused at once; orphans are adopted, but not by a plain
//! process; strangers are counted by the census and reported to nobody.

use lastout_core::machine::{FROZEN, TICK};
use lastout_core::{
    Effect, Event, Init, Millis, Pid, Policy, Request, Role, Signal, SpawnError, Status, Step,
    Target,
};

use crate::trace::{Did, Moment, Trace};

/// A container that was frozen for less cannot be told from a busy machine.
pub(crate) const SHORTEST_FREEZE: u32 = TICK.0 + FROZEN.0;

/// Longer than all graces together.
const AGES: u32 = 600_000;
/// No life under test has more ticks to come: that would be some 30 s of graces.
const MOST_TICKS: usize = 600;
/// No life under test has more moments.
const MOST_MOMENTS: usize = 10_000;

/// What somebody else does. The numbers choose among those to whom it can happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// Init runs, until its next request.
    Answer,
    Fork(usize),
    /// Somebody enters from outside.
    Enter,
    Die(usize, Status),
    Stop(usize, Signal),
    Continue(usize),
    /// A child of ours asks to be traced and stands before a signal.
    Trap(usize, Signal),
    /// Begins a sleep that nothing interrupts, not even KILL.
    Sleep(usize),
    /// The dead main child's report is taken by somebody else.
    Steal,
    Send(Signal, Option<u64>),
    Pass(u32),
    Freeze(u32),
}

/// The circumstances of one life.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) policy: Policy,
    pub(crate) stop_timeout: Option<Millis>,
    pub(crate) spawn: Result<(), SpawnError>,
    /// A child that was there before us, and died before we listened (K24).
    pub(crate) inherited: bool,
    /// The alarm comes at most so much too late, but for a freeze.
    pub(crate) busy: u32,
    /// Does anybody ever freeze us?
    pub(crate) freezes: bool,
}

impl Setting {
    pub(crate) fn of(policy: &Policy) -> Self {
        Self {
            policy: *policy,
            stop_timeout: None,
            spawn: Ok(()),
            inherited: false,
            busy: FROZEN.0 - 1,
            freezes: true,
        }
    }
}

/// What is tested: [`Init::step`], or something that is wrong on purpose.
pub(crate) type Stepper = fn(&mut Init, &Policy, Event) -> Step;

#[derive(Clone, Copy, PartialEq)]
enum Parent {
    Init,
    Process(u32),
    Outside,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Runs,
    Stopped,
    Trapped,
    Dead(Status),
}

#[derive(Clone)]
struct Process {
    id: u32,
    pid: Pid,
    parent: Parent,
    state: State,
    sleeps: bool,
    report: Option<Event>,
}

impl Process {
    fn is_alive(&self) -> bool {
        !matches!(self.state, State::Dead(_))
    }
}

#[derive(Clone)]
struct World {
    setting: Setting,
    processes: Vec<Process>,
    born: u32,
    started: bool,
    pending: Vec<(Signal, Option<u64>)>,
    /// What is left until the alarm; negative: it is late.
    alarm: Option<i64>,
    moments: Vec<Moment>,
}

/// A machine that may be wrong, and what it asked last.
#[derive(Clone, Copy)]
struct Driven {
    init: Init,
    step: Stepper,
    next: Request,
}

impl Driven {
    fn does(&mut self, policy: &Policy, event: Event) -> Step {
        let said = (self.step)(&mut self.init, policy, event);
        self.next = said.next;
        said
    }

    fn has_left(&self) -> bool {
        matches!(self.next, Request::Exit(_))
    }
}

/// One life: the moves, and then what time alone brings, everybody else being stubborn.
pub(crate) fn live(step: Stepper, setting: &Setting, moves: &[Move]) -> Trace {
    let mut world = World::new(setting.clone());
    let (init, next) = Init::start();
    let mut machine = Driven { init, step, next };
    for &what in moves {
        if machine.has_left() {
            break;
        }
        match what {
            Move::Answer => {
                if world.run(&mut machine) && !world.has_way_out(machine) {
                    world.moments.push(Moment::NoWayOut);
                }
            }
            other => world.happens(other),
        }
    }
    for _ in 0..MOST_TICKS {
        while world.run(&mut machine) {
            assert!(world.moments.len() < MOST_MOMENTS, "it turns in a circle");
        }
        world.happens(Move::Pass(AGES));
        if world.alarm.is_none() {
            break;
        }
    }
    if machine.has_left() {
        for event in ["alarm", "signal TERM", "reaped 2 exit 9", "no-children", "alone"] {
            let event = event.parse().unwrap();
            let said = machine.does(&setting.policy, event);
            world.moments.push(Moment::Did(Did::new(event, &said)));
        }
    }
    Trace { policy: setting.policy, stop_timeout: setting.stop_timeout, moments: world.moments }
}

impl World {
    fn new(setting: Setting) -> Self {
        let inherited = setting.inherited;
        let mut world = Self {
            setting,
            processes: Vec::new(),
            born: 1,
            started: false,
            pending: Vec::new(),
            alarm: None,
            moments: Vec::new(),
        };
        if inherited {
            let id = world.is_born(Parent::Init);
            world.process(id).state = State::Dead(Status::Exited(0));
            world.moments.push(Moment::Gone(id));
            world.moments.push(Moment::Ready { announced: false });
        }
        world
    }

    // ---------------------------------------------------------------------- the init's side

    /// Init takes one answer and does what it does then. Not, if it sleeps or is gone.
    fn run(&mut self, machine: &mut Driven) -> bool {
        let Some(event) = self.answers(machine.next) else {
            return false;
        };
        let said = machine.does(&self.setting.policy, event);
        // The step comes first in the trace, and what its effects do to the world behind it.
        self.moments.push(Moment::Did(Did::new(event, &said)));
        said.effects.iter().for_each(|effect| self.perform(effect));
        true
    }

    fn answers(&mut self, request: Request) -> Option<Event> {
        let can_wait = matches!(request, Request::Wait | Request::Reap | Request::Census);
        if can_wait && let Some(left @ ..=0) = self.alarm {
            self.alarm = None;
            let late = Millis(u32::try_from(-left).unwrap());
            return Some(Event::Alarm { late });
        }
        match request {
            Request::Spawn => Some(if let Err(error) = self.setting.spawn {
                Event::SpawnFailed(error)
            } else {
                // The main child is process 0, whoever was there before.
                let born = std::mem::replace(&mut self.born, 0);
                let main = self.is_born(Parent::Init);
                self.born = born;
                self.started = true;
                Event::Spawned(self.process(main).pid)
            }),
            Request::Wait => {
                let first = self.pending.iter().min_by_key(|(signal, _)| *signal)?.0;
                let at = self.pending.iter().position(|&(signal, _)| signal == first)?;
                let (signal, value) = self.pending.remove(at);
                Some(Event::Signal { signal, value })
            }
            Request::Reap => Some(self.reports()),
            Request::Census if self.processes.iter().any(Process::is_alive) => Some(Event::Company),
            Request::Census => Some(Event::Alone),
            Request::Exit(_) => None,
        }
    }

    fn reports(&mut self) -> Event {
        let mut children = false;
        for at in 0..self.processes.len() {
            let process = &mut self.processes[at];
            if process.parent != Parent::Init {
                continue;
            }
            children = true;
            if let State::Dead(status) = process.state {
                let pid = process.pid;
                self.processes.remove(at);
                return Event::Reaped(pid, status);
            }
            if let Some(report) = process.report.take() {
                return report;
            }
        }
        if children { Event::NoneReady } else { Event::NoChildren }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Kill { target, signal, .. } => {
                let meant = |process: &&Process| match target {
                    Target::Main(pid) | Target::Group(pid) => process.pid == pid,
                    Target::All | Target::Descendants => true,
                };
                let whom: Vec<u32> = self.processes.iter().filter(meant).map(|p| p.id).collect();
                for id in whom {
                    // The death of another may have taken it out of reach.
                    if !self.processes.iter().any(|process| process.id == id) {
                        continue;
                    }
                    if signal == Signal::KILL && !self.process(id).sleeps {
                        let core = false;
                        self.dies(id, Status::Killed { signal, core });
                    } else if signal == Signal::CONT {
                        self.continues(id);
                    }
                }
            }
            Effect::SetAlarm(span) => self.alarm = Some(span.0.into()),
            Effect::Detach(pid, _) => {
                let mut processes = self.processes.iter_mut();
                if let Some(process) = processes.find(|p| p.pid == pid && p.state == State::Trapped)
                {
                    process.state = State::Runs;
                }
            }
            Effect::ForegroundMain(_)
            | Effect::ForegroundOwn
            | Effect::StopSelf
            | Effect::Say(_) => (),
        }
    }

    /// L1: if everybody else dies now, does it leave?
    fn has_way_out(&self, mut machine: Driven) -> bool {
        let mut world = self.clone();
        while let Some(id) = world.processes.iter().find(|p| p.is_alive()).map(|p| p.id) {
            world.dies(id, Status::Exited(0));
        }
        // A few requests for each process and each pending signal.
        for _ in 0..4 * (world.processes.len() + world.pending.len() + 4) {
            if machine.has_left() {
                return true;
            }
            if !world.run(&mut machine) {
                // It sleeps; only its alarm can wake it.
                match world.alarm {
                    None => return false,
                    Some(_) => world.happens(Move::Pass(TICK.0)),
                }
            }
        }
        false
    }

    // ------------------------------------------------------------------ everybody else's side

    fn happens(&mut self, what: Move) {
        match what {
            Move::Answer => (),
            Move::Freeze(_) if !self.setting.freezes => (),
            Move::Fork(who) => {
                if let Some(id) = self.nth(who, Process::is_alive) {
                    self.is_born(Parent::Process(id));
                }
            }
            Move::Enter => {
                if self.setting.policy.role == Role::Pid1 && self.started {
                    self.is_born(Parent::Outside);
                }
            }
            Move::Die(who, status) => {
                if let Some(id) = self.nth(who, |p| p.is_alive() && !p.sleeps) {
                    self.dies(id, status);
                }
            }
            Move::Stop(who, signal) => {
                if let Some(id) = self.nth(who, |p| p.state == State::Runs) {
                    self.process(id).state = State::Stopped;
                    let pid = self.process(id).pid;
                    self.reports_to_parent(id, Event::Stopped(pid, signal));
                }
            }
            Move::Continue(who) => {
                if let Some(id) = self.nth(who, |p| p.state == State::Stopped) {
                    self.continues(id);
                }
            }
            Move::Trap(who, signal) => {
                let ours = |p: &Process| p.state == State::Runs && p.parent == Parent::Init;
                if let Some(id) = self.nth(who, ours) {
                    self.process(id).state = State::Trapped;
                    let pid = self.process(id).pid;
                    self.reports_to_parent(id, Event::Trapped(pid, signal));
                }
            }
            Move::Sleep(who) => {
                if let Some(id) = self.nth(who, |p| p.state == State::Runs) {
                    self.process(id).sleeps = true;
                }
            }
            Move::Steal => {
                let dead_main = |p: &Process| p.id == 0 && !p.is_alive();
                if let Some(at) = self.processes.iter().position(dead_main) {
                    self.processes.remove(at);
                    self.moments.push(Moment::Unready);
                }
            }
            Move::Send(signal, value) => self.sends(signal, value),
            Move::Pass(span) => {
                let until = self
                    .alarm
                    .map_or(i64::from(AGES), |left| (left + i64::from(self.setting.busy)).max(0));
                let span = span.min(u32::try_from(until).unwrap());
                self.alarm = self.alarm.map(|left| left - i64::from(span));
                if span > 0 {
                    self.moments.push(Moment::Passed(Millis(span)));
                }
            }
            Move::Freeze(span) => {
                assert!(span >= SHORTEST_FREEZE, "a freeze that cannot be noticed");
                self.alarm = self.alarm.map(|left| left - i64::from(span));
                self.moments.push(Moment::Frozen(Millis(span)));
            }
        }
    }

    fn nth(&self, n: usize, who: impl Fn(&Process) -> bool) -> Option<u32> {
        let ids: Vec<u32> = self.processes.iter().filter(|p| who(p)).map(|p| p.id).collect();
        ids.get(n.checked_rem(ids.len())?).copied()
    }

    fn process(&mut self, id: u32) -> &mut Process {
        self.processes.iter_mut().find(|process| process.id == id).unwrap()
    }

    fn is_born(&mut self, parent: Parent) -> u32 {
        let id = self.born;
        let free = |pid: &Pid| self.processes.iter().all(|process| process.pid != *pid);
        let pid = (2..Pid::MAX).filter_map(Pid::new).find(free).unwrap();
        self.born += 1;
        self.processes.push(Process {
            id,
            pid,
            parent,
            state: State::Runs,
            sleeps: false,
            report: None,
        });
        self.moments.push(Moment::Born(id));
        id
    }

    fn dies(&mut self, id: u32, status: Status) {
        if !self.process(id).is_alive() {
            return;
        }
        self.process(id).state = State::Dead(status);
        self.moments.push(Moment::Gone(id));
        if self.process(id).report.take().is_some() {
            self.moments.push(Moment::Unready);
        }
        match self.process(id).parent {
            Parent::Init => self.is_ready(),
            // A parent of its own may be slow to reap it, or die first; outside, it is quick.
            Parent::Process(_) => (),
            Parent::Outside => self.processes.retain(|process| process.id != id),
        }
        let orphan = |process: &&Process| process.parent == Parent::Process(id);
        let orphans: Vec<u32> = self.processes.iter().filter(orphan).map(|p| p.id).collect();
        for orphan in orphans {
            if self.setting.policy.role == Role::Plain {
                self.leaves(orphan);
            } else {
                self.process(orphan).parent = Parent::Init;
                if !self.process(orphan).is_alive() {
                    self.is_ready();
                }
            }
        }
    }

    /// Nobody's descendant of ours any more, and all of its own with it.
    fn leaves(&mut self, id: u32) {
        let child = |process: &&Process| process.parent == Parent::Process(id);
        let children: Vec<u32> = self.processes.iter().filter(child).map(|p| p.id).collect();
        for child in children {
            self.leaves(child);
        }
        if self.process(id).is_alive() {
            self.moments.push(Moment::Gone(id));
        }
        self.processes.retain(|process| process.id != id);
    }

    fn continues(&mut self, id: u32) {
        if self.process(id).state == State::Stopped {
            self.process(id).state = State::Runs;
            let pid = self.process(id).pid;
            self.reports_to_parent(id, Event::Continued(pid));
        }
    }

    fn reports_to_parent(&mut self, id: u32, report: Event) {
        if self.process(id).parent == Parent::Init {
            if self.process(id).report.replace(report).is_some() {
                self.moments.push(Moment::Unready);
            }
            self.is_ready();
        }
    }

    fn is_ready(&mut self) {
        self.moments.push(Moment::Ready { announced: true });
        self.sends(Signal::CHLD, None);
    }

    fn sends(&mut self, signal: Signal, value: Option<u64>) {
        let queued = signal.number() >= 32;
        if queued || self.pending.iter().all(|&(other, _)| other != signal) {
            self.pending.push((signal, value));
        }
    }
}
