//! What a record tells of its children, read before it is lived: who they are, in which order
//! the kernel had them, and what must have happened earlier than it is told.
//!
//! Nearly everything can happen just before it is told. These things cannot:
//!
//! * A change that is told is announced by a CHLD. Where the record goes on to take a signal that
//!   is behind CHLD in the order of taking, with no CHLD before it, none was pending then. So
//!   what is told between was announced by the CHLD before, and all of it was *ready* at once;
//!   and of what is ready at once the eldest is told first (K34).
//! * What KILL reached dies of it, but for who was dead.
//! * A stopped child that init sent CONT has a continuation to tell from then on.
//!
//! So a plan says of some reports when they were ready, and of some children that others are
//! elder. It is a guess at what was, and a good one is as free as can be: whether it was possible
//! the kernel says, when it is lived.

mod storms;

use std::collections::{HashMap, HashSet};

use lastout_core::{Effect, Entry, Event, Pid, Request, Role, Signal, Status, Target};

use crate::kernel::dumps_by_default;

/// A line of a record that tells a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    /// Its line, from 1.
    pub line: usize,
    /// What it tells.
    pub entry: Entry,
}

/// A child that is told of, from the first time to its end: a pid that is given again is another
/// child.
#[derive(Debug)]
pub(super) struct Child {
    pub pid: Pid,
    /// Who had that pid before it.
    pub before: Option<usize>,
    /// The steps that tell of it, in order.
    pub reports: Vec<usize>,
    /// Which of them tells its end, and what that was.
    pub end: Option<(usize, Status)>,
    /// Children that were there before it, as far as it matters.
    pub elders: Vec<usize>,
}

/// A record, and what was looked up in it. Steps are counted from 0.
#[derive(Debug)]
pub(super) struct Plan {
    pub children: Vec<Child>,
    /// For each step: the child that it tells of.
    pub whom: Vec<Option<usize>>,
    /// For each step: the next one, or this, that takes a CHLD.
    next_chld: Vec<Option<usize>>,
    /// For each step: the last one before it that says that nothing is ready.
    last_nothing: Vec<Option<usize>>,
    /// For each step: the next one behind it that says that there are no children.
    next_no_children: Vec<Option<usize>>,
    /// The steps that send KILL to everybody.
    kills: Vec<usize>,
    /// What is ready before a step is taken, in order. Before the first: before init is there.
    ready: HashMap<usize, Vec<usize>>,
    /// For steps that tell of somebody: the later report that the next CHLD names.
    first_ready: HashMap<usize, usize>,
    /// The step that tells how the main child ended, if it was the kernel that reaped it.
    kept: Option<usize>,
    /// That is the last that is told, and nobody else was init's child.
    pub kept_alone: bool,
    /// What was ready when init began to reap again, and no CHLD announced: by the steps at which it
    /// did.
    unheard: HashMap<usize, Vec<usize>>,
    /// Stops and continuations that no CHLD announced: of children that were adopted with them.
    pub unannounced: Vec<usize>,
    /// The children that were there before the main child, in order.
    pub inherited: Vec<usize>,
    /// The main child.
    pub main: Option<usize>,
}

/// Who tells of a child, and does not only name it.
const fn reported(event: Event) -> Option<Pid> {
    match event {
        Event::Reaped(pid, _)
        | Event::Proven(pid, _)
        | Event::Stopped(pid, _)
        | Event::Trapped(pid, _)
        | Event::Continued(pid) => Some(pid),
        _ => None,
    }
}

/// Is it taken only when no CHLD is pending? Those before it are lower, or of faults (K22).
/// Nothing at all is when init has settled.
fn is_behind_chld(event: Event) -> bool {
    let Event::Signal { signal, .. } = event else {
        return event == Event::Settled;
    };
    let both = lastout_core::SignalSet::EMPTY.with(Signal::CHLD).with(signal);
    signal != Signal::CHLD && crate::kernel::next_signal(both) == Some(Signal::CHLD)
}

const fn is_chld(event: Event) -> bool {
    matches!(event, Event::Signal { signal: Signal::CHLD, .. } | Event::Chld(_))
}

/// Does that step say that no child at all has anything to report?
pub(super) fn is_nothing(told: &[Told], at: usize) -> bool {
    match told[at].entry.event {
        Event::NoneReady => !is_of_one(told, at),
        event => event == Event::NoChildren,
    }
}

/// What that step answers; none, if it is the first.
fn asked(told: &[Told], at: usize) -> Option<Request> {
    at.checked_sub(1).map(|before| told[before].entry.step.next)
}

/// Was only one child asked about?
fn is_of_one(told: &[Told], at: usize) -> bool {
    matches!(asked(told, at), Some(Request::ReapOne(_)))
}

/// Does the step send `signal` to everybody (none) or to the main child (some)?
fn sends(told: &Told, signal: Signal, main: Option<Pid>) -> bool {
    told.entry.step.effects.iter().any(|effect| match effect {
        Effect::Kill { target, signal: sent, .. } if sent == signal => match target {
            Target::All | Target::Descendants => true,
            Target::Main(pid) | Target::Group(pid) => Some(pid) == main,
        },
        _ => false,
    })
}

impl Plan {
    /// What these steps tell. Only the first `known` are looked ahead at: what comes behind is
    /// to be met without having been foreseen.
    pub(super) fn new(told: &[Told], known: usize, role: Role) -> Self {
        let mut plan = Self {
            children: Vec::new(),
            whom: vec![None; told.len()],
            next_chld: vec![None; told.len()],
            last_nothing: vec![None; told.len()],
            next_no_children: vec![None; told.len()],
            kills: Vec::new(),
            ready: HashMap::new(),
            first_ready: HashMap::new(),
            kept: None,
            kept_alone: false,
            unheard: HashMap::new(),
            unannounced: Vec::new(),
            inherited: Vec::new(),
            main: None,
        };
        plan.read(told, known);
        plan.look_around(told, known);
        plan.look_for_kept(told, known, role);
        plan.look_for_quiet(told, known);
        plan.look_at_proofs(told, known);
        for child in 0..plan.children.len() {
            plan.look_at_signals(told, child);
        }
        plan.order(role);
        plan
    }

    /// Who is who.
    fn read(&mut self, told: &[Told], known: usize) {
        let (mut there, mut before) = (HashMap::<Pid, usize>::new(), HashMap::new());
        for (at, Told { entry, .. }) in told.iter().enumerate() {
            let (pid, is_report) = match (entry.event, reported(entry.event)) {
                (Event::Spawned(pid), _) => (pid, false),
                (_, Some(pid)) => (pid, true),
                _ => continue,
            };
            let child = *there.entry(pid).or_insert_with(|| {
                let before = before.insert(pid, self.children.len());
                let (reports, elders) = (Vec::new(), Vec::new());
                self.children.push(Child { pid, before, reports, end: None, elders });
                self.children.len() - 1
            });
            self.whom[at] = Some(child);
            if !is_report {
                self.main = Some(child);
            } else if at < known {
                self.children[child].reports.push(at);
            }
            if let Event::Reaped(_, status) | Event::Proven(_, status) = entry.event {
                there.remove(&pid);
                if at < known {
                    self.children[child].end = Some((at, status));
                }
            }
        }
    }

    fn look_around(&mut self, told: &[Told], known: usize) {
        let mut nothing = None;
        for (at, step) in told.iter().enumerate() {
            self.last_nothing[at] = nothing;
            if is_nothing(told, at) {
                nothing = Some(at);
            }
            if at < known && sends(step, Signal::KILL, None) {
                self.kills.push(at);
            }
        }
        let (mut chld, mut no_children) = (None, None);
        for at in (0..told.len()).rev() {
            self.next_no_children[at] = no_children;
            let event = told[at].entry.event;
            if is_chld(event) {
                chld = Some(at);
            }
            if event == Event::NoChildren && at < known {
                no_children = Some(at);
            }
            self.next_chld[at] = chld;
        }
    }

    /// Where no CHLD can have come between what is told and a signal that is taken.
    fn look_for_quiet(&mut self, told: &[Told], known: usize) {
        let mut quiet = vec![false; known];
        let (mut is_quiet, mut quiet_before) = (false, None);
        for at in (0..known).rev() {
            let event = told[at].entry.event;
            is_quiet = !is_chld(event) && (is_quiet || is_behind_chld(event));
            quiet[at] = is_quiet;
            if let Event::Chld(pid) = event {
                quiet_before = Some(self.look_at_name(told, at, pid));
                is_quiet = quiet_before == Some(at);
            }
            is_quiet |= quiet_before == Some(at);
        }
        // What was ready since the last CHLD, and what was told since.
        let (mut since, mut again, mut before) = (0, None, Vec::new());
        for at in 0..known {
            let event = told[at].entry.event;
            let begins = |effect| effect == Effect::InitReaps;
            if at > 0 && told[at - 1].entry.step.effects.iter().any(begins) {
                again = Some(at - 1);
            }
            if is_chld(event) || is_nothing(told, at) {
                before.clear();
            }
            if is_chld(event) {
                (since, again) = (at, None);
            }
            let (Some(child), true) = (self.whom[at], quiet[at] && reported(event).is_some())
            else {
                continue;
            };
            if self.kept == Some(at) || self.first_ready.contains_key(&at) {
                continue; // It was ready later.
            }
            let last = self.children[child].reports.iter().rev().find(|&&r| r < at).copied();
            let stopped = |at: usize| matches!(told[at].entry.event, Event::Stopped(..));
            let is_stop = matches!(event, Event::Stopped(..) | Event::Continued(_));
            let looked = self.last_nothing[at].is_some_and(|nothing| nothing > since);
            if matches!(event, Event::Continued(_)) && last.is_some_and(stopped) {
                // It is told at once, and announced when the child runs (K28).
                before.push(child);
            } else if is_stop && looked && last.is_none() && self.main != Some(child) {
                self.unannounced.push(at);
            } else {
                // Of stops the kernel does not tell while it reaps (K31).
                match again.filter(|_| !matches!(event, Event::Reaped(..))) {
                    Some(again) => self.unheard.entry(again).or_default().push(at),
                    None => self.ready.entry(since).or_default().push(at),
                }
                if is_of_one(told, at) {
                    continue; // Whoever is elder was not looked at.
                }
                let others = before.drain(..).filter(|&other| other != child);
                self.children[child].elders.extend(others);
                before.push(child);
            }
        }
    }

    /// Whose report was ready before that of this step, though it is told later.
    pub(super) fn first_ready(&self, at: usize) -> Option<usize> {
        self.first_ready.get(&at).copied()
    }

    /// What KILL and CONT of init's make ready.
    fn look_at_signals(&mut self, told: &[Told], child: usize) {
        let reports = self.children[child].reports.clone();
        let main = (self.main == Some(child)).then(|| self.children[child].pid);
        let from = if main.is_some() { Some(0) } else { None };
        let spans = from
            .into_iter()
            .chain(reports.iter().copied())
            .zip(reports.iter().copied().skip(usize::from(main.is_none())));
        for (from, to) in spans.collect::<Vec<_>>() {
            let stopped = matches!(told[from].entry.event, Event::Stopped(..));
            let killed = Status::Killed { signal: Signal::KILL, core: false };
            let unkilled =
                !matches!(told[to].entry.event, Event::Reaped(_, status) if status == killed);
            let first = self.last_nothing[to].map_or(from, |nothing| nothing.max(from));
            let reached = (first..to).find(|&at| {
                stopped && sends(&told[at], Signal::CONT, main)
                    || unkilled && sends(&told[at], Signal::KILL, main)
            });
            if let Some(reached) = reached {
                let before = self.whom[reached + 1..to].iter().flatten().copied();
                let others: Vec<_> = before.filter(|&other| other != child).collect();
                self.children[child].elders.extend(others);
            }
        }
    }

    /// Who was there before the main child: whoever has to be elder, and all if nobody is adopted.
    fn order(&mut self, role: Role) {
        let wanted = match (role, self.main) {
            (Role::Plain, _) => (0..self.children.len()).collect(),
            (_, Some(main)) => self.children[main].elders.clone(),
            _ => Vec::new(),
        };
        let (mut order, mut placed) = (Vec::new(), HashSet::new());
        for child in wanted {
            self.elders_first(child, |_| false, &mut placed, &mut order);
        }
        let first = |child: usize| self.children[child].before.is_none();
        order.retain(|&child| Some(child) != self.main && first(child));
        self.inherited = order;
    }

    /// Appends `child` behind all that are elder, but for those that are placed already or `have`
    /// their place. Where they go round in a circle there is no right order.
    pub(super) fn elders_first(
        &self,
        child: usize,
        have: impl Fn(usize) -> bool,
        placed: &mut HashSet<usize>,
        order: &mut Vec<usize>,
    ) {
        let mut line = vec![(child, 0)];
        if !placed.insert(child) {
            return;
        }
        while let Some((child, next)) = line.last_mut() {
            if let Some(&elder) = self.children[*child].elders.get(*next) {
                *next += 1;
                if !have(elder) && placed.insert(elder) {
                    line.push((elder, 0));
                }
            } else {
                order.push(*child);
                line.pop();
            }
        }
    }

    /// Does somebody look between these steps, and is not told of that child?
    pub(super) fn is_missed(&self, told: &[Told], child: usize, from: usize, to: usize) -> bool {
        let pid = self.children[child].pid;
        (from + 1..to).any(|at| match (told[at].entry.event, asked(told, at)) {
            (Event::NoneReady, Some(Request::ReapOne(one))) => one == pid,
            (event, _) => event == Event::NoneReady,
        })
    }

    /// Does nobody say between these steps that nothing is ready?
    pub(super) fn is_one_batch(&self, from: usize, to: usize) -> bool {
        self.last_nothing[to].is_none_or(|nothing| nothing <= from)
    }

    /// What is ready, and nothing announced it, before init reaps again at that step.
    pub(super) fn unheard(&self, at: usize) -> &[usize] {
        self.unheard.get(&at).map_or(&[], Vec::as_slice)
    }

    /// What is ready before that step is taken.
    pub(super) fn ready(&self, at: usize) -> &[usize] {
        self.ready.get(&at).map_or(&[], Vec::as_slice)
    }

    /// The step that takes the next CHLD, from that one on.
    pub(super) fn next_chld(&self, at: usize) -> Option<usize> {
        self.next_chld.get(at).copied().flatten()
    }

    /// The step behind that one that says that there are no children, if there is one.
    pub(super) fn next_no_children(&self, at: usize) -> Option<usize> {
        self.next_no_children.get(at).copied().flatten()
    }

    /// The next report of a child behind that step.
    pub(super) fn next_report(&self, child: usize, at: usize) -> Option<usize> {
        let reports = &self.children[child].reports;
        reports.get(reports.partition_point(|&report| report <= at)).copied()
    }

    /// The next report behind that step of whoever has that pid.
    pub(super) fn next_report_of(&self, pid: Pid, at: usize) -> Option<usize> {
        let next = |child: usize| self.next_report(child, at);
        let children = (0..self.children.len()).filter(|&child| self.children[child].pid == pid);
        children.filter_map(next).min()
    }

    /// Whether a child can have been alive, and init's, from step `now` on to its end.
    pub(super) fn could_live(&self, child: usize, now: usize) -> CouldLive {
        let Some((end, status)) = self.children[child].end else {
            return CouldLive::Well;
        };
        // Of a signal that leaves no core it can have been dying when KILL came.
        if matches!(status, Status::Killed { signal, .. } if !dumps_by_default(signal)) {
            return CouldLive::Well;
        }
        // It had to die before KILL, and behind the last moment at which it was not ready.
        let after = self.last_nothing[end].unwrap_or(0);
        let mut kills = self.kills.iter().filter(|&&kill| now <= kill && kill < end).peekable();
        match kills.peek() {
            None => CouldLive::Well,
            Some(&&first) if first < after => CouldLive::OnlyHeld,
            Some(_) => CouldLive::Hardly,
        }
    }
}

/// How well it goes with what is told of a child that it was alive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum CouldLive {
    /// Nothing speaks against it.
    Well,
    /// If it died in the right moment, and nobody else came in between.
    Hardly,
    /// Only if somebody held its zombie (K39).
    OnlyHeld,
}
