//! What a record tells in a storm: a CHLD names a child (K30), and the kernel reaps (K31, K109).

use std::collections::HashSet;

use lastout_core::{Effect, Event, Pid, Request, Role};

use super::{Child, Plan, Told, asked, is_chld, is_nothing, is_of_one, reported};

impl Plan {
    /// Was it the kernel that reaped the main child (K109)? Of that no CHLD tells, and a look for
    /// reports only when init has no other children, or reaps again.
    pub(super) fn look_for_kept(&mut self, told: &[Told], known: usize, role: Role) {
        let Some(main) = self.main else {
            return;
        };
        let Some((end, _)) = self.children[main].end else {
            return;
        };
        let reaper = |at: usize| {
            told[at].entry.step.effects.iter().find_map(|effect| match effect {
                Effect::KernelReaps => Some((at, true)),
                Effect::InitReaps => Some((at, false)),
                _ => None,
            })
        };
        let is_kept = match (0..end).rev().find_map(reaper) {
            None => false,
            Some((_, true)) if matches!(asked(told, end), Some(Request::Watch(_))) => true,
            Some((_, true)) if role == Role::Pid1 => {
                let stays = |child: &Child| {
                    let before = child.reports.first().is_some_and(|&first| first < end);
                    before && child.reports.last().is_some_and(|&last| last > end)
                };
                !self.children.iter().any(stays)
            }
            Some((_, true)) => {
                self.kept_alone = end + 1 == known;
                self.kept_alone || told[end + 1].entry.event == Event::NoChildren
            }
            Some((again, false)) => {
                let named = self.next_chld[end].map(|chld| told[chld].entry.event);
                let first =
                    (again + 1..end).all(|at| matches!(told[at].entry.event, Event::Alarm { .. }));
                let kept = first && named != Some(Event::Chld(self.children[main].pid));
                if kept {
                    self.unheard.entry(again).or_default().push(end);
                }
                kept
            }
        };
        self.kept = is_kept.then_some(end);
    }

    /// Since the kernel reaps there are no new zombies: who is told to be dead in the look that
    /// follows was so before (K31), and whoever is told of first is elder.
    pub(super) fn look_at_proofs(&mut self, told: &[Told], known: usize) {
        for proof in (0..known).filter(|&at| matches!(told[at].entry.event, Event::Proven(..))) {
            let reaps = |at: usize| {
                let before = told[at - 1].entry.step;
                before.next != Request::Reap
                    || before.effects.iter().any(|effect| effect == Effect::InitReaps)
            };
            let look = (proof + 1..known).take_while(|&at| !is_nothing(told, at) && !reaps(at));
            let dead = look.filter(|&at| matches!(told[at].entry.event, Event::Reaped(..)));
            let dead: Vec<_> = dead.filter(|&at| self.kept != Some(at)).collect();
            let mut elder = self.whom[proof];
            for &report in &dead {
                self.ready.values_mut().for_each(|ready| ready.retain(|&other| other != report));
                let child = self.whom[report].expect("it is told of");
                self.children[child].elders.extend(elder);
                elder = Some(child);
            }
            self.ready.entry(proof).or_default().extend(dead);
        }
    }

    /// The CHLD that step `taken` takes names the first child since the last CHLD was taken. Before
    /// which step is it known to have been pending, or not to have been: so that whoever is told of
    /// was ready when that last one was taken?
    pub(super) fn look_at_name(&mut self, told: &[Told], taken: usize, pid: Pid) -> usize {
        let last = (0..taken).rev().find(|&at| is_chld(told[at].entry.event));
        let first = last.map_or(0, |last| last + 1);
        let of_it = |at: &usize| reported(told[*at].entry.event) == Some(pid);
        let mut reports = (first..taken).filter(of_it).peekable();
        if last.is_some_and(|last| told[last].entry.event == Event::Chld(pid)) {
            // The first is what that last one announced.
            reports.next_if(|_| (first..taken).filter(of_it).count() > 1);
        }
        let latest = reports.clone().last();
        self.look_at_next_of(told, taken, pid, latest);
        let Some(latest) = latest else {
            return taken;
        };
        let nothing = (first..latest).rev().find(|&at| is_nothing(told, at));
        let report = reports.find(|&at| nothing.is_none_or(|nothing| nothing < at));
        let report = report.unwrap_or(latest);
        let whose = self.whom[report].expect("it is told of");
        // Who had nothing to tell when that last CHLD was taken, or later? Of those, the one that is
        // named was the first.
        let (mut had_none, mut all) = (HashSet::new(), nothing.is_some());
        for at in nothing.unwrap_or(first)..report {
            let event = told[at].entry.event;
            if let (Event::NoneReady, Some(Request::ReapOne(one))) = (event, asked(told, at)) {
                had_none.insert(one);
            }
            let (Some(child), Some(other)) = (self.whom[at], reported(event)) else {
                continue;
            };
            // Nobody is elder than the main child, and was dead before it was there.
            all |= last.is_none() && Some(child) == self.main;
            if all || had_none.contains(&other) {
                self.first_ready.insert(at, report);
                if !is_of_one(told, at) && !is_of_one(told, report) && child != whose {
                    self.children[whose].elders.push(child);
                }
            }
            had_none.insert(other);
        }
        nothing.unwrap_or(report)
    }

    /// That CHLD names a child that is told of later, and was ready then: whoever is told of
    /// before it, with nobody saying that nothing is ready, is elder. `before`: it tells of whoever
    /// had that pid last.
    fn look_at_next_of(&mut self, told: &[Told], taken: usize, pid: Pid, before: Option<usize>) {
        let Some(report) = self.next_report_of(pid, taken) else {
            return;
        };
        let child = self.whom[report].expect("it is told of");
        if before.is_some_and(|before| self.whom[before] == Some(child)) {
            return; // It was told before.
        }
        let last = self.children[child].reports.iter().rev().find(|&&at| at < taken);
        let owes = last.is_some_and(|&at| matches!(told[at].entry.event, Event::Continued(_)));
        if owes || (taken..report).any(|at| is_nothing(told, at)) {
            return; // That it runs again was told before (K28).
        }
        let looks = (taken..report).filter(|&at| !is_of_one(told, at));
        let others: Vec<_> = looks.filter_map(|at| self.whom[at]).filter(|&o| o != child).collect();
        self.children[child].elders.extend(others);
    }
}
