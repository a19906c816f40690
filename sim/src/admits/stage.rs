//! The stage: the simulated world in which a record is lived again, and everybody in it who
//! makes what is told come true.
//!
//! Init's side is the driver of every simulated life: the same answers, the same effects. The
//! others have no programs; kernel calls are made in their place, as few as possible and as late
//! as possible, by a process, by somebody outside, by the kernel. A process is there from when
//! it is first needed; what it did before, nobody had seen.

mod births;
mod deeds;

use std::collections::{HashMap, HashSet};

use lastout_core::{Effect, Entry, Event, Pid, Policy, Request, Role, Signal, SignalSet, Status};

use births::nobodys;

use super::plan::{Plan, Told};
use super::{Premises, Why};
use crate::kernel::{Kernel, STOPS, Sender, Unhashed, dumps_by_default, kills_by_default};
use crate::program::{Library, Program};
use crate::setting::Setting;
use crate::world::World;

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
    /// Who has which pid, or had it last.
    cast: HashMap<Pid, usize>,
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
        let named = told.iter().filter_map(|told| match told.entry.event {
            Event::Chld(pid) => Some(pid),
            _ => None,
        });
        let pids = plan.children.iter().map(|child| child.pid).chain(named);
        let numbers: HashSet<u32> = pids.map(Pid::number).collect();
        let program =
            Program { name: "anything".into(), code: Vec::new(), labels: Unhashed::default() };
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
            cast: HashMap::new(),
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
        let looks = matches!(request, Request::Reap | Request::ReapOne(_) | Request::Prove(_))
            && !matches!(event, Event::Alarm { .. });
        if looks || matches!(event, Event::Signal { signal: Signal::CHLD, .. } | Event::Chld(_)) {
            for child in std::mem::take(&mut self.vanishing) {
                if !looks && self.pending().contains(Signal::CHLD) && self.is_to_run(child, at + 1)
                {
                    self.vanishing.push(child); // It runs when this CHLD is taken.
                } else if self.parts[child] == Part::There {
                    self.announces(at);
                    self.keeps_descendants(child, at);
                    self.vanishes(child, at - 1);
                }
            }
        }
        self.comes_true(at, event)?;
        if let (Request::Prove(main), Event::Reaped(pid, _)) = (request, event) {
            // It was tried, and the kernel did not tell.
            self.setting.faults.forgetful |= pid != main;
        }
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
                self.is_there(main);
                self.is_anybodys(self.plan.children[main].pid);
            }
            Event::Reaped(..) | Event::Proven(..) => {
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
        if step.effects.iter().any(|effect| effect == Effect::InitReaps) {
            for report in self.plan.unheard(at).to_vec() {
                // If it cannot be, that is found when it is told.
                let _ = self.has_to_tell(report);
            }
        }
        let sends = |effect| matches!(effect, Effect::Kill { .. } | Effect::Detach(..));
        if step.effects.iter().any(sends) {
            self.block_all();
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
        let ends = self.plan.next_no_children(0).is_some() || self.plan.kept_alone;
        if role != Role::Pid1 && !ends {
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
            Event::Reaped(_, Status::Killed { signal, core })
            | Event::Proven(_, Status::Killed { signal, core }) => {
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
            Event::Reaped(..)
            | Event::Proven(..)
            | Event::Stopped(..)
            | Event::Trapped(..)
            | Event::Continued(_) => {
                self.is_told(at)?;
            }
            Event::Chld(pid) => self.is_named(pid, at)?,
            Event::Settled => self.world.has_settled(),
            Event::NoneReady => self.keeps_a_child(at),
            Event::Alone => self.visitor_leaves(),
            Event::Company => self.has_company(),
            Event::Spawned(_) | Event::NoChildren => (),
        }
        Ok(())
    }

    /// What has to be ready before that step is taken.
    fn makes_ready(&mut self, at: usize) {
        let reports = self.plan.ready(at).to_vec();
        for &report in &reports {
            let child = self.plan.whom[report].expect("it is told of");
            self.announces(at);
            self.let_go(child);
            self.comes(child, None);
        }
        if let Event::Chld(pid) = self.told[at].entry.event
            && !reports.is_empty()
        {
            // It names the first. If that cannot be, it is found when it is taken.
            let _ = self.is_named(pid, at);
        }
        for &report in &reports {
            let child = self.plan.whom[report].expect("it is told of");
            if self.parts[child] == Part::There && !self.done[report] {
                self.keeps_descendants(child, at);
                self.is_ready(report);
            }
        }
    }

    /// A child has something to tell now, if it had not before.
    fn is_told(&mut self, at: usize) -> Result<(), Why> {
        let is_adopted_so = self.plan.unannounced.binary_search(&at).is_ok();
        if !is_adopted_so {
            // It is there before whoever is named by the CHLD that tells of it.
            self.comes(self.plan.whom[at].expect("it is told of"), None);
        }
        if !self.done[at] {
            self.announces(at);
        }
        self.has_to_tell(at)
    }

    /// A child has to tell what that step tells, if it had not before.
    fn has_to_tell(&mut self, at: usize) -> Result<(), Why> {
        let child = self.plan.whom[at].expect("it is told of");
        let pid = self.plan.children[child].pid;
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

    /// The CHLD that is pending, or comes now, is from that child.
    fn is_named(&mut self, pid: Pid, at: usize) -> Result<(), Why> {
        if self.pending().contains(Signal::CHLD) || self.pays(pid) {
            return Ok(());
        }
        if let Some(report) = self.plan.next_report_of(pid, at) {
            let child = self.plan.whom[report].expect("it is told of");
            let missed = self.premises.held && self.plan.is_missed(self.told, child, at, report);
            if missed && self.parts[child] == Part::There {
                // It stopped, and was dead and held before anybody looked.
                self.gets(pid, Signal::STOP);
                self.vanishes(child, at);
                return Ok(());
            }
            return self.has_to_tell(report);
        }
        // It is never told of: whoever is elder was, or nobody, and init left.
        if self.world.kernel.is_free(pid.number()) {
            self.is_inherited(pid);
        }
        if !self.living().any(|child| child == pid) {
            return Err(Why::InUse(pid));
        }
        self.dies(pid, Status::Exited(0));
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

    /// The next CHLD may have come with a value, and then before any other (K21); or it names
    /// a child that is told of before it is taken, or nobody where it could (K30).
    fn announces(&mut self, at: usize) {
        let Some(chld) = self.plan.next_chld(at).filter(|_| !self.pending().contains(Signal::CHLD))
        else {
            return;
        };
        let is_unnamed =
            chld > 0 && matches!(self.told[chld - 1].entry.step.next, Request::Settle(_));
        match self.told[chld].entry.event {
            Event::Signal { value, .. } if value.is_some() || is_unnamed => {
                let init = self.init;
                self.kernel().generate(init, Signal::CHLD, Sender::Outside, value);
            }
            Event::Chld(pid) => {
                if let Some(report) = self.plan.first_ready(at) {
                    // If it cannot be, that is found when it is told.
                    let _ = self.has_to_tell(report);
                }
                let own = self.plan.whom[at].is_some_and(|c| self.plan.children[c].pid == pid);
                if !own && !self.pending().contains(Signal::CHLD) {
                    self.pays(pid);
                }
            }
            _ => (),
        }
    }

    /// Does the next CHLD name that child, which is looked at then in vain: so that CHLD tells that
    /// it runs again?
    fn is_to_run(&self, child: usize, at: usize) -> bool {
        let named = Event::Chld(self.plan.children[child].pid);
        let next = self.plan.next_chld(at).filter(|&next| self.told[next].entry.event == named);
        next.is_some_and(|next| {
            let report = self.plan.next_report(child, next);
            report.is_none_or(|report| self.plan.is_missed(self.told, child, next, report))
        })
    }

    /// It was continued, and runs only now (K28).
    fn pays(&mut self, pid: Pid) -> bool {
        let place = self.world.kernel.find(pid);
        place.is_some_and(|place| self.kernel().pay_chld(place))
    }

    fn pending(&self) -> SignalSet {
        self.world.kernel.process(self.init).map_or(SignalSet::EMPTY, |init| init.pending)
    }
}

/// Is it the same? How late an alarm is, nobody can tell; core dumps are not simulated.
fn is_same(answer: Event, told: Event) -> bool {
    let without_core = |event| match event {
        Event::Reaped(pid, Status::Killed { signal, .. }) => {
            Event::Reaped(pid, Status::Killed { signal, core: false })
        }
        Event::Proven(pid, Status::Killed { signal, .. }) => {
            Event::Proven(pid, Status::Killed { signal, core: false })
        }
        event => event,
    };
    let alarms = matches!((answer, told), (Event::Alarm { .. }, Event::Alarm { .. }));
    alarms || without_core(answer) == without_core(told)
}
