//! Classic mistakes of inits, each as a small change of what lastout does: proof that the laws
//! would notice. Nothing of this is in the core.

use lastout_core::{
    Effect, Event, Millis, Notice, Phase, Policy, Request, Signal, Status, Step, Target,
};

use crate::machine::{Machine, step};

macro_rules! mutants {
    ($($name:ident $text:literal $laws:expr, $what:literal;)*) => {
        /// A mistake.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $(#[doc = $what] $name,)*
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name on the command line and in tables.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            /// What is wrong with it.
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what),* }
            }

            /// The laws of which one must notice it.
            pub const fn laws(self) -> &'static [&'static str] {
                match self { $(Self::$name => $laws),* }
            }
        }
    };
}

mutants! {
    ReapsOncePerChld "reaps-once-per-chld" &["S3", "L1"], "takes one report for each CHLD (K30)";
    NoFirstReap "no-first-reap" &["S3"], "does not ask for reports before it first waits (K24)";
    OverlooksChld "overlooks-chld" &["S3", "L1"], "takes a CHLD that comes behind another signal for that signal's";
    ForwardsChld "forwards-chld" &["S5"], "sends CHLD on to the main child";
    SignalsTheReaped "signals-the-reaped" &["S2"], "goes on signalling the main child's pid when it is reaped (K37)";
    LeavesWithMain "leaves-with-main" &["S10", "L3"], "leaves when the main child does, as most inits";
    LeavesAtEchild "leaves-at-echild" &["L3", "S10"], "takes no children for nobody left (K48)";
    NoCont "no-cont" &["S10"], "asks without CONT: a stopped process cannot answer (K26)";
    NoLastCall "no-last-call" &["S10"], "kills whoever was born after the asking without asking";
    KillAllAsSubreaper "kill-all-as-subreaper" &["S9"], "uses kill(-1) when it is not PID 1 (K49)";
    TermTwice "term-twice" &["S4"], "sends a stop signal to everybody at once, and then asks them again";
    DropsSignals "drops-signals" &["S4"], "loses the signal that comes behind a CHLD";
    SignalNumber "signal-number" &["S1"], "takes the signal's number itself for the exit code of a death by signal";
    LastStatus "last-status" &["S1"], "leaves with the exit code of whoever was reaped last";
    KeepsOldAlarm "keeps-old-alarm" &["S11"], "does not put the alarm of a new grace in place of the old one";
    CountsFrozenTime "counts-frozen-time" &["S11", "S12"], "counts time in which the container was frozen (K97)";
    WaitsUnsettled "waits-unsettled" &["S3"], "waits when it has reaped by pid, and does not look for those whom that CHLD hid (K30)";
    NeverSettles "never-settles" &["S7"], "wakes up again and again when a storm is over";
    StaysEntrusted "stays-entrusted" &["S13", "L5"], "lets the kernel reap on when the main child is told to stop: its stop is not told (K31)";
    NoLookAfterProof "no-look-after-proof" &["S3"], "lets the kernel reap, and forgets who was dead before";
    TrustsUnproven "trusts-unproven" &["S1", "L1"], "lets a kernel reap that does not tell how the main child ended (K109)";
    ImpatientDrain "impatient-drain" &["S11"], "gives a quarter of the drain grace";
    NoAlarmWhileKilling "no-alarm-while-killing" &["L1", "L2"], "waits for ever for who does not die of KILL (K59)";
    NoAlarmWhileDraining "no-alarm-while-draining" &["L1", "L2"], "waits for ever for who does not answer";
    StopsForNobody "stops-for-nobody" &["L4"], "lets the main child take as long as it likes whatever the engine's time-out";
    WaitsForMainLost "waits-for-main-lost" &["L1"], "waits on when there is no child left to wait for";
    ActsAfterExit "acts-after-exit" &["S6"], "goes on asking when it has left";
    TwoAlarms "two-alarms" &["S7"], "arms a second alarm beside the first";
    IdleAlarm "idle-alarm" &["S7"], "wakes up while there is nothing to count";
    SpinsRunning "spins-running" &["L1"], "asks for reports again and again, and never waits";
    SpinsDraining "spins-draining" &["L1"], "asks again and again if it is alone";
    AsksEarly "asks-early" &["S12"], "takes any child's death for the main child's";
    ImpatientStop "impatient-stop" &["S12"], "gives half of the stop grace";
    KillsAndLeaves "kills-and-leaves" &["L3"], "does not wait for those that it has killed";
    Dawdles "dawdles" &["L5"], "waits for the grace to end though nobody is left";
    LooksOnce "looks-once" &["L5"], "does not look again if it is alone: nobody tells of the end of who is no child (K48)";
    LeavesStanding "leaves-standing" &["S13"], "does not wake the main child that it has told to stop";
    WakesUnasked "wakes-unasked" &["S13"], "undoes each stop of the main child";
}

impl Mutant {
    /// The mutant of that name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|mutant| mutant.name() == name)
    }

    /// What it does about `event`.
    #[allow(clippy::too_many_lines, reason = "one table: each mistake in a few lines")]
    pub fn step(self, machine: &mut Machine, policy: &Policy, event: Event) -> Step {
        let before = *machine;
        let Machine { init, memo } = machine;
        if let Event::Spawned(pid) = event {
            memo.main = Some(pid);
        }
        // Mistakes in what is known.
        let event = match (self, event) {
            (Self::CountsFrozenTime, Event::Alarm { late }) => {
                Event::Alarm { late: late.min(Millis(199)) }
            }
            (Self::Dawdles, Event::Alone) => Event::Company,
            (Self::SignalNumber, Event::Reaped(pid, Status::Killed { signal, .. })) => {
                Event::Reaped(pid, Status::Exited(signal.number()))
            }
            _ => event,
        };
        let mut policy = *policy;
        match self {
            Self::NoLastCall => policy.graces.last_call = Millis::ZERO,
            Self::StopsForNobody => policy.graces.stop = None,
            Self::ImpatientStop => policy.graces.stop = policy.graces.stop.map(|g| Millis(g.0 / 2)),
            Self::KillsAndLeaves => policy.graces.kill = Millis::ZERO,
            Self::ImpatientDrain => {
                policy.graces.drain = Millis(policy.graces.drain.0.div_ceil(4));
            }
            _ => (),
        }
        let right = init.step(&policy, event);
        let chld = matches!(event, Event::Signal { signal: Signal::CHLD, .. });
        let taken = match event {
            Event::Signal { signal, .. } if !chld => Some(signal),
            _ => None,
        };
        match self {
            Self::ReapsOncePerChld => match (event, right.next) {
                (Event::Reaped(..), Request::Reap) if right.effects.is_empty() => {
                    waits(machine, &policy, right)
                }
                _ => right,
            },
            Self::NoFirstReap if matches!(event, Event::Spawned(_)) => {
                waits(machine, &policy, right)
            }
            Self::OverlooksChld => {
                let behind = std::mem::replace(&mut memo.flag, taken.is_some());
                if chld && behind { waits(machine, &policy, right) } else { right }
            }
            Self::ForwardsChld if chld => match before.init.main_child() {
                Some(pid) => step([kill(Target::Main(pid), Signal::CHLD)], right.next),
                None => right,
            },
            Self::SignalsTheReaped => match (taken, before.init.main_child(), memo.main) {
                (Some(signal), None, Some(main)) => {
                    step([kill(Target::Main(main), signal)], right.next)
                }
                _ => right,
            },
            Self::LeavesWithMain => match event {
                Event::Reaped(pid, status) if before.init.main_child() == Some(pid) => {
                    step([], Request::Exit(policy.exit_map.apply(status)))
                }
                _ => right,
            },
            Self::LeavesAtEchild if right.next == Request::Census => {
                machine.step(crate::machine::Kind::Lastout, &policy, Event::Alone)
            }
            Self::NoCont => without(right, |effect| {
                matches!(
                    effect,
                    Effect::Kill {
                        target: Target::All | Target::Descendants,
                        signal: Signal::CONT,
                        ..
                    }
                )
            }),
            Self::KillAllAsSubreaper => replaced(right, |effect| match effect {
                Effect::Kill { target: Target::Descendants, signal, value } => {
                    Effect::Kill { target: Target::All, signal, value }
                }
                other => other,
            }),
            Self::TermTwice => match taken.filter(|&s| policy.stop_signals.contains(s)) {
                Some(signal) if before.init.phase() == Phase::Running => {
                    replaced(right, |effect| match effect {
                        Effect::Kill { signal: s, .. } if s == signal => kill(Target::All, signal),
                        other => other,
                    })
                }
                _ => right,
            },
            Self::DropsSignals => {
                // Deaf for one signal after each CHLD.
                let deaf = memo.flag;
                memo.flag = chld || deaf && taken.is_none();
                match taken {
                    Some(_) if deaf => {
                        *init = before.init;
                        step([], Request::Wait)
                    }
                    _ => right,
                }
            }
            Self::LastStatus => {
                if let Event::Reaped(_, status) = event {
                    memo.code = Some(policy.exit_map.apply(status));
                }
                match (right.next, memo.code) {
                    (Request::Exit(_), Some(code)) => {
                        step(right.effects.iter(), Request::Exit(code))
                    }
                    _ => right,
                }
            }
            Self::KeepsOldAlarm
                if before.init.phase() == Phase::Stopping
                    && init.phase() == Phase::Draining
                    && !right.effects.iter().any(|e| e == Effect::Say(Notice::StopGraceOver)) =>
            {
                without(right, |effect| matches!(effect, Effect::SetAlarm(_)))
            }
            Self::NoAlarmWhileKilling if init.phase() == Phase::Killing => {
                without(right, |effect| matches!(effect, Effect::SetAlarm(_)))
            }
            Self::NoAlarmWhileDraining if init.phase() == Phase::Draining => {
                without(right, |effect| matches!(effect, Effect::SetAlarm(_)))
            }
            Self::WaitsForMainLost
                if event == Event::NoChildren && before.init.main_child().is_some() =>
            {
                *init = before.init;
                step([], Request::Wait)
            }
            Self::ActsAfterExit if before.init.phase() == Phase::Exited => {
                step([kill(Target::All, Signal::TERM)], right.next)
            }
            Self::TwoAlarms if init.phase() == Phase::LastCall => {
                let second = Effect::SetAlarm(policy.graces.drain);
                without_then(right, |e| matches!(e, Effect::Say(_)), second)
            }
            Self::SpinsRunning if event == Event::NoneReady && init.phase() == Phase::Running => {
                *init = before.init;
                step([], Request::Reap)
            }
            Self::SpinsDraining if event == Event::Company => {
                *init = before.init;
                step([], Request::Census)
            }
            Self::AsksEarly => match (event, before.init.phase()) {
                (Event::Reaped(pid, _), Phase::Running)
                    if before.init.main_child() != Some(pid) =>
                {
                    step([kill(Target::All, Signal::TERM)], right.next)
                }
                _ => right,
            },
            Self::LooksOnce => match (event, right.next) {
                (Event::Alarm { .. }, Request::Census) => {
                    init.step(&policy, Event::Company);
                    step(right.effects.iter(), Request::Wait)
                }
                _ => right,
            },
            Self::LeavesStanding => {
                let main = before.init.main_child().map(Target::Main);
                without(right, |effect| {
                    matches!(effect, Effect::Kill { target, signal: Signal::CONT, .. }
                        if Some(target) == main)
                })
            }
            Self::WakesUnasked => match event {
                Event::Stopped(pid, _) if before.init.main_child() == Some(pid) => {
                    let wake = kill(Target::Main(pid), Signal::CONT);
                    step([wake], right.next)
                }
                _ => right,
            },
            Self::WaitsUnsettled => match before.init.outstanding() {
                Request::ReapOne(_) if matches!(right.next, Request::Settle(_)) => {
                    step(right.effects.iter(), Request::Wait)
                }
                _ => right,
            },
            Self::NeverSettles if event == Event::Settled && right.next == Request::Wait => {
                *init = before.init;
                step([], before.init.outstanding())
            }
            Self::StaysEntrusted => match before.init.outstanding() {
                Request::Watch(main) if right.effects.iter().any(|e| e == Effect::InitReaps) => {
                    let effects = right.effects.iter().filter(|&e| e != Effect::InitReaps);
                    let next = if taken.is_some() { Request::Watch(main) } else { right.next };
                    step(effects, next)
                }
                _ => right,
            },
            Self::NoLookAfterProof if matches!(event, Event::Proven(..)) => {
                let next = init.step(&policy, Event::NoneReady).next;
                step(right.effects.iter(), next)
            }
            Self::TrustsUnproven => match (event, before.init.outstanding()) {
                (Event::Reaped(pid, status), Request::Prove(main)) if pid != main => {
                    *init = before.init;
                    init.step(&policy, Event::Proven(pid, status))
                }
                _ => right,
            },
            Self::IdleAlarm if matches!(event, Event::Spawned(_)) => {
                step([Effect::SetAlarm(Millis(1000))], right.next)
            }
            _ => right,
        }
    }
}

/// Waits where it should do something else; lastout's own state is to expect that.
fn waits(machine: &mut Machine, policy: &Policy, right: Step) -> Step {
    // Asked for reports and told that there are none, lastout waits too.
    if machine.init.outstanding() == Request::Reap {
        machine.init.step(policy, Event::NoneReady);
    }
    step(right.effects.iter(), Request::Wait)
}

const fn kill(target: Target, signal: Signal) -> Effect {
    Effect::Kill { target, signal, value: None }
}

fn without(right: Step, what: impl Fn(Effect) -> bool) -> Step {
    step(right.effects.iter().filter(|&effect| !what(effect)), right.next)
}

fn without_then(right: Step, what: impl Fn(Effect) -> bool, then: Effect) -> Step {
    step(right.effects.iter().filter(|&effect| !what(effect)).chain([then]), right.next)
}

fn replaced(right: Step, with: impl Fn(Effect) -> Effect) -> Step {
    step(right.effects.iter().map(with), right.next)
}
