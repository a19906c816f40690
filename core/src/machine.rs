//! The life of a container: which event leads to which step, in every phase.
//!
//! # Theory of operation
//!
//! ```text
//! Starting ──► Running ──────────────► Draining ──► LastCall ──► Killing ──► Exited
//!     └───────────│──────────────────────►▲            any of the three: everybody gone ──► Exited
//!                 │  stop signal and      │
//!                 └─► Stopping ───────────┘
//!                     a stop grace     main child reaped, or the stop grace over
//! ```
//!
//! *Starting.* The one request is to start the main child. If that fails the exit code is known
//! at once; but somebody may be there all the same, left by whoever executed us or entered from
//! outside, and nobody is killed unasked: it goes on as if the main child had ended.
//!
//! *Running.* Each signal is sent on (S4); everything that ends is reaped; nothing else is our
//! business. No alarm is armed, so an idle init never wakes up.
//!
//! *Stopping.* As Running, but a stop signal came and the operator set a stop grace: then the
//! main child's time is limited.
//!
//! *Draining.* The main child is gone, or overslept its stop grace. Everybody who is left is
//! asked: the drain signal, and CONT, because a stopped process cannot answer (K26). The main
//! child first, the others only then: a good master stops its workers in its own order, and a
//! bad one dies at once, which brings us here.
//!
//! *Last call.* The drain grace is over. Everybody is asked once more, because who was born
//! after the first asking has not been asked yet (S10).
//!
//! *Killing.* SIGKILL to everybody, and their names to the operator.
//!
//! *Exited.* Nothing follows (S6).
//!
//! These run inside the phases:
//!
//! * **Wait and reap.** One CHLD may stand for many deaths (K30), and one that came before we
//!   blocked it is never repeated (K24). So a CHLD, and the start, lead to asking for reports
//!   one at a time until there are none; only then do we wait (S3). "None" has two meanings:
//!   children, but nothing to report: wait; no children: as PID 1 there may still be somebody
//!   who entered from outside (K48), so a census decides, and is repeated at each tick, since
//!   nothing tells us of a stranger's end. For anyone else, no children is the end: orphans
//!   would be ours.
//! * **Storms.** A look for reports goes through all children, so that each end costs a look at
//!   all that live. That is well while ends are few. After so many looks ([`Reaping`]) it is a
//!   *storm*: who is named by a CHLD is reaped by its pid, and the others for whom that CHLD may
//!   stand wait as zombies until nothing has come for [`SETTLE`], or until enough were named.
//!   Then all are looked at. While Running it is better still if the *kernel reaps*: children
//!   vanish as they end, and nobody is woken. It does that for whoever ignores CHLD (K31), but
//!   then it tells nobody how the main child ended, unless it can be asked about a process that
//!   is reaped (K109); so that is proven first, on an orphan. Stops are not announced then either
//!   (K31): so never with a terminal, and from the first stop signal on init reaps again.
//! * **The clock.** A grace is counted in ticks of at most [`TICK`]. A tick that comes late by
//!   [`FROZEN`] or more was slept through by the whole container (paused: K97); it does not
//!   count, because nobody could use it to end (S11). That is forgiven [`FORGIVEN`] times in a
//!   grace: a machine so busy that every tick is late must not put off the end for ever (L2).
//!   The alarm answers any request, so no flood of signals or deaths delays it; the request it
//!   answered is then asked again.
//!
//! The file is long because it is one table, to be read as a whole: every phase writes out every
//! event. Where an event cannot happen in a phase, its line says
//! so by doing nothing but asking again: a fuzzer will send it all the same, and neither a
//! panic nor a lost exit code may follow.

use core::num::NonZeroU8;

use crate::event::Event;
use crate::policy::{Forward, Policy, Reaping, Role};
use crate::signal::Signal;
use crate::step::{Effect, Effects, Notice, Pid, Request, Step, Target};
use crate::time::Millis;

/// The exit code of our own failures: bad usage, no process to be had, a main child whose end
/// nobody told.
pub const OWN_FAILURE: u8 = 125;

/// How often the clock ticks while a grace runs. Half of the 100 ms within which the end of a
/// process entered from outside must be noticed; 20 wake-ups a second, only while stopping.
pub const TICK: Millis = Millis(50);

/// How long it must be quiet in a storm before all children are looked at, while nobody waits for
/// the orphans: longer than a period of the scheduler's clock, because a shorter time makes the
/// kernel set the processor's timer anew for each orphan, which costs as much as all the rest.
pub const SETTLE: Millis = Millis(20);

/// The same once everybody is asked, when we leave so much later than the last one.
pub const SETTLE_ASKED: Millis = Millis(2);

/// A tick that is late by this much was not late but slept through. A busy machine or a
/// throttled cgroup delays by one period of the scheduler's bandwidth control, 100 ms.
pub const FROZEN: Millis = Millis(200);

/// How many freezes are told from a busy machine in one grace. Nobody pauses a container more
/// often while it stops; a thousand processes that do nothing but run make every tick late.
pub const FORGIVEN: u8 = 3;

/// Where in the life of a container we are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// The main child is being started.
    Starting,
    /// It runs.
    Running,
    /// It runs, but was told to stop and has a stop grace.
    Stopping,
    /// Everybody has been asked, and has the drain grace.
    Draining,
    /// Everybody has been asked once more, and has the last call.
    LastCall,
    /// Everybody is being killed, and has the kill grace to be dead.
    Killing,
    /// All is over.
    Exited,
}

/// What we know of the main child.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Main {
    /// Not started.
    None,
    /// Started, and its pid is its own until it is reaped.
    Unreaped {
        pid: Pid,
        /// Stopped, as far as we were told.
        stopped: bool,
        /// Told to end; so it must not stay stopped.
        asked: bool,
    },
    /// Reaped: its pid may be anybody's now, so it is forgotten (S2). The exit code is decided.
    Reaped { code: u8 },
}

/// Who reaps.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Reaper {
    /// We do; whether the kernel could is not known.
    Untried,
    /// The kernel.
    Kernel,
    /// We do, and that will stay so.
    Init,
}

/// The state of an init. Plain data; the policy it was made for is passed to each step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Init {
    phase: Phase,
    main: Main,
    /// What is left of the grace that runs.
    left: Millis,
    /// How often it has been frozen.
    frozen: u8,
    /// The request whose answer is the next event.
    outstanding: Request,
    /// The last census found company, and no child was seen since: each tick takes a census.
    company_only: bool,
    /// How often all children were looked at until there was no report more, up to where a storm
    /// begins.
    looks: u8,
    /// In a storm, while it has not settled: how many were reaped by their pids since all were
    /// looked at.
    named: Option<u8>,
    reaper: Reaper,
}

impl Init {
    /// A new init, and its first request.
    pub const fn start() -> (Self, Request) {
        let init = Self {
            phase: Phase::Starting,
            main: Main::None,
            left: Millis::ZERO,
            frozen: 0,
            outstanding: Request::Spawn,
            company_only: false,
            looks: 0,
            named: None,
            reaper: Reaper::Untried,
        };
        (init, init.outstanding)
    }

    /// Where in the life of the container we are.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The request whose answer is the next event.
    pub const fn outstanding(&self) -> Request {
        self.outstanding
    }

    /// The main child, while it is unreaped.
    pub const fn main_child(&self) -> Option<Pid> {
        match self.main {
            Main::Unreaped { pid, .. } => Some(pid),
            Main::None | Main::Reaped { .. } => None,
        }
    }

    /// What is left of the grace that runs; zero when none does.
    pub const fn left(&self) -> Millis {
        self.left
    }

    /// What to do about `event`, which answers the outstanding request.
    pub fn step(&mut self, policy: &Policy, event: Event) -> Step {
        let mut effects = Effects::NONE;
        let does = &mut effects;
        let next = match self.phase {
            Phase::Starting => self.starting(policy, event, does),
            Phase::Running => self.running(policy, event, does),
            Phase::Stopping => self.stopping(policy, event, does),
            Phase::Draining => self.draining(policy, event, does),
            Phase::LastCall => self.last_call(policy, event, does),
            Phase::Killing => self.killing(policy, event, does),
            Phase::Exited => self.outstanding,
        };
        self.outstanding = next;
        Step { effects, next }
    }

    // ------------------------------------------------------------ the phases, event by event

    fn starting(&mut self, policy: &Policy, event: Event, does: &mut Effects) -> Request {
        match event {
            Event::Spawned(pid) => {
                self.main = Main::Unreaped { pid, stopped: false, asked: false };
                self.phase = Phase::Running;
                // A child that we inherited through exec may be dead already, its CHLD past (K24).
                Request::Reap
            }
            Event::SpawnFailed(error) => {
                self.main = Main::Reaped { code: error.code() };
                if policy.graces.drain.is_zero() {
                    return self.exit();
                }
                self.drain(policy, does)
            }
            Event::Signal { .. }
            | Event::Chld(_)
            | Event::Settled
            | Event::Alarm { .. }
            | Event::Reaped(..)
            | Event::Proven(..)
            | Event::Stopped(..)
            | Event::Trapped(..)
            | Event::Continued(_)
            | Event::NoneReady
            | Event::NoChildren
            | Event::Alone
            | Event::Company => Request::Spawn,
        }
    }

    fn running(&mut self, policy: &Policy, event: Event, does: &mut Effects) -> Request {
        match event {
            Event::Signal { signal: Signal::CHLD, .. } => self.look(policy),
            Event::Signal { signal, value } => {
                let told = self.send_on(policy, signal, value, does);
                if told && let Some(grace) = policy.graces.stop {
                    self.phase = Phase::Stopping;
                    self.arm(grace, does);
                }
                if told && matches!(self.outstanding, Request::Watch(_)) {
                    // It must not stand still unnoticed: that was not announced.
                    return self.look(policy);
                }
                self.after_signal(policy)
            }
            Event::Chld(pid) => self.reap_named(policy, pid),
            Event::Settled => self.settled(policy),
            Event::Reaped(pid, status) => {
                if self.is_main(pid) {
                    self.main = Main::Reaped { code: policy.exit_map.apply(status) };
                    return self.main_gone(policy, does);
                }
                if matches!(self.outstanding, Request::Prove(_)) {
                    self.reaper = Reaper::Init;
                }
                self.look_on()
            }
            Event::Proven(pid, _) => match self.outstanding {
                Request::Prove(main) if main != pid => {
                    self.reaper = Reaper::Kernel;
                    does.push(Effect::KernelReaps);
                    // Who was dead already is a zombie, and ours to reap (K31).
                    Request::Reap
                }
                asked => asked,
            },
            Event::Stopped(pid, signal) => self.stopped(policy, pid, signal, does),
            Event::Trapped(pid, signal) => self.trapped(pid, signal, does),
            Event::Continued(pid) => self.continued(pid),
            Event::NoneReady => self.none_ready(policy),
            Event::NoChildren => self.main_lost(policy, does),
            Event::Alarm { .. }
            | Event::Spawned(_)
            | Event::SpawnFailed(_)
            | Event::Alone
            | Event::Company => self.outstanding,
        }
    }

    fn stopping(&mut self, policy: &Policy, event: Event, does: &mut Effects) -> Request {
        match event {
            Event::Signal { signal: Signal::CHLD, .. } => self.look(policy),
            Event::Signal { signal, value } => {
                self.send_on(policy, signal, value, does);
                self.after_signal(policy)
            }
            Event::Chld(pid) => self.reap_named(policy, pid),
            Event::Settled => self.settled(policy),
            Event::Alarm { late } => {
                if self.tick_ends_grace(late, does) {
                    return self.stop_grace_over(policy, does);
                }
                self.after_tick(policy)
            }
            Event::Reaped(pid, status) => {
                if self.is_main(pid) {
                    self.main = Main::Reaped { code: policy.exit_map.apply(status) };
                    return self.main_gone(policy, does);
                }
                self.look_on()
            }
            Event::Stopped(pid, signal) => self.stopped(policy, pid, signal, does),
            Event::Trapped(pid, signal) => self.trapped(pid, signal, does),
            Event::Continued(pid) => self.continued(pid),
            Event::NoneReady => self.none_ready(policy),
            Event::NoChildren => self.main_lost(policy, does),
            Event::Proven(..)
            | Event::Spawned(_)
            | Event::SpawnFailed(_)
            | Event::Alone
            | Event::Company => self.outstanding,
        }
    }

    fn draining(&mut self, policy: &Policy, event: Event, does: &mut Effects) -> Request {
        match event {
            Event::Alarm { late } => {
                if self.tick_ends_grace(late, does) {
                    return self.drain_grace_over(policy, does);
                }
                self.after_tick(policy)
            }
            Event::Signal { .. }
            | Event::Chld(_)
            | Event::Settled
            | Event::Reaped(..)
            | Event::Proven(..)
            | Event::Stopped(..)
            | Event::Trapped(..)
            | Event::Continued(_)
            | Event::NoneReady
            | Event::NoChildren
            | Event::Alone
            | Event::Company
            | Event::Spawned(_)
            | Event::SpawnFailed(_) => self.after_asking(policy, event, does),
        }
    }

    fn last_call(&mut self, policy: &Policy, event: Event, does: &mut Effects) -> Request {
        match event {
            Event::Alarm { late } => {
                if self.tick_ends_grace(late, does) {
                    return self.kill_everybody(policy, does);
                }
                self.after_tick(policy)
            }
            Event::Signal { .. }
            | Event::Chld(_)
            | Event::Settled
            | Event::Reaped(..)
            | Event::Proven(..)
            | Event::Stopped(..)
            | Event::Trapped(..)
            | Event::Continued(_)
            | Event::NoneReady
            | Event::NoChildren
            | Event::Alone
            | Event::Company
            | Event::Spawned(_)
            | Event::SpawnFailed(_) => self.after_asking(policy, event, does),
        }
    }

    fn killing(&mut self, policy: &Policy, event: Event, does: &mut Effects) -> Request {
        match event {
            Event::Alarm { late } => {
                if self.tick_ends_grace(late, does) {
                    does.push(Effect::Say(Notice::KillGraceOver));
                    return self.exit();
                }
                self.after_tick(policy)
            }
            Event::Signal { .. }
            | Event::Chld(_)
            | Event::Settled
            | Event::Reaped(..)
            | Event::Proven(..)
            | Event::Stopped(..)
            | Event::Trapped(..)
            | Event::Continued(_)
            | Event::NoneReady
            | Event::NoChildren
            | Event::Alone
            | Event::Company
            | Event::Spawned(_)
            | Event::SpawnFailed(_) => self.after_asking(policy, event, does),
        }
    }

    /// What Draining, Last call and Killing have in common: all but the alarm.
    fn after_asking(&mut self, policy: &Policy, event: Event, does: &mut Effects) -> Request {
        match event {
            Event::Signal { signal: Signal::CHLD, .. } => self.look(policy),
            Event::Signal { signal, value } => {
                self.send_on_to_whoever_is_left(policy, signal, value, does);
                self.after_signal(policy)
            }
            Event::Chld(pid) => self.reap_named(policy, pid),
            Event::Settled => self.settled(policy),
            Event::Reaped(pid, status) => {
                self.company_only = false;
                if self.is_main(pid) {
                    self.main = Main::Reaped { code: policy.exit_map.apply(status) };
                    take_terminal_back(policy, does);
                }
                self.look_on()
            }
            Event::Stopped(pid, signal) => self.stopped(policy, pid, signal, does),
            Event::Trapped(pid, signal) => self.trapped(pid, signal, does),
            Event::Continued(pid) => self.continued(pid),
            Event::NoneReady => {
                self.company_only = false;
                self.none_ready(policy)
            }
            Event::NoChildren => {
                if self.main_child().is_some() {
                    self.main = Main::Reaped { code: OWN_FAILURE };
                    does.push(Effect::Say(Notice::MainLost));
                }
                match policy.role {
                    Role::Pid1 => Request::Census,
                    Role::Subreaper | Role::Plain => self.everybody_gone(),
                }
            }
            Event::Alone => self.everybody_gone(),
            Event::Company => {
                self.company_only = true;
                Request::Wait
            }
            Event::Alarm { .. } | Event::Proven(..) | Event::Spawned(_) | Event::SpawnFailed(_) => {
                self.outstanding
            }
        }
    }

    // ------------------------------------------------------------------ from phase to phase

    /// The main child ended while it was ours to wait for.
    fn main_gone(&mut self, policy: &Policy, does: &mut Effects) -> Request {
        take_terminal_back(policy, does);
        if policy.graces.drain.is_zero() {
            return self.exit();
        }
        self.drain(policy, does)
    }

    /// There are no children, and the main child was one of them.
    fn main_lost(&mut self, policy: &Policy, does: &mut Effects) -> Request {
        self.main = Main::Reaped { code: OWN_FAILURE };
        does.push(Effect::Say(Notice::MainLost));
        if policy.graces.drain.is_zero() {
            return self.exit();
        }
        self.drain(policy, does)
    }

    fn stop_grace_over(&mut self, policy: &Policy, does: &mut Effects) -> Request {
        does.push(Effect::Say(Notice::StopGraceOver));
        if policy.graces.drain.is_zero() {
            // The operator wants nobody but the main child asked, and that has been.
            return self.kill_everybody(policy, does);
        }
        self.drain(policy, does)
    }

    fn drain(&mut self, policy: &Policy, does: &mut Effects) -> Request {
        self.phase = Phase::Draining;
        self.init_reaps(does);
        self.ask_everybody(policy, does);
        self.arm(policy.graces.drain, does);
        self.look_anew(policy)
    }

    fn drain_grace_over(&mut self, policy: &Policy, does: &mut Effects) -> Request {
        does.push(Effect::Say(Notice::DrainGraceOver));
        if policy.graces.last_call.is_zero() {
            return self.kill_everybody(policy, does);
        }
        self.phase = Phase::LastCall;
        self.ask_everybody(policy, does);
        self.arm(policy.graces.last_call, does);
        self.look_anew(policy)
    }

    fn kill_everybody(&mut self, policy: &Policy, does: &mut Effects) -> Request {
        self.phase = Phase::Killing;
        does.push(Effect::Say(Notice::Killing));
        does.push(kill(everybody(policy), Signal::KILL));
        if policy.graces.kill.is_zero() {
            return self.exit();
        }
        self.arm(policy.graces.kill, does);
        self.look_anew(policy)
    }

    /// Nobody is left but us. The clean-up command will be started here, when there is one.
    fn everybody_gone(&mut self) -> Request {
        self.exit()
    }

    fn exit(&mut self) -> Request {
        self.phase = Phase::Exited;
        self.left = Millis::ZERO;
        Request::Exit(match self.main {
            Main::Reaped { code } => code,
            // SIGKILL is all it had coming; the kernel or nobody delivers it after us.
            Main::None | Main::Unreaped { .. } => 128 + Signal::KILL.number(),
        })
    }

    // ------------------------------------------------------------------------------- storms

    /// Looks for reports of all children.
    fn look(&mut self, policy: &Policy) -> Request {
        self.named = None;
        self.may_prove(policy).map_or(Request::Reap, Request::Prove)
    }

    /// The same, and a storm is over: whoever has few left to wait for is to notice the last
    /// one's end at once.
    fn look_anew(&mut self, policy: &Policy) -> Request {
        self.looks = 0;
        self.look(policy)
    }

    /// The main child, if it should be tried now to prove that the kernel can reap. Not once it
    /// was told to end: then it must not stop unnoticed.
    fn may_prove(&self, policy: &Policy) -> Option<Pid> {
        let wanted = policy.reaping.by_kernel && !policy.terminal && self.is_storm(policy);
        let can = self.phase == Phase::Running && self.reaper == Reaper::Untried;
        match self.main {
            Main::Unreaped { pid, asked: false, .. } if wanted && can => Some(pid),
            _ => None,
        }
    }

    /// A report was taken. Of one child only it was asked, or there may be more.
    const fn look_on(&self) -> Request {
        match self.outstanding {
            Request::ReapOne(_) => self.settle(),
            _ => Request::Reap,
        }
    }

    /// A CHLD names a child.
    fn reap_named(&mut self, policy: &Policy, child: Pid) -> Request {
        match self.named {
            Some(named) if named < Self::most_named(policy) && self.may_prove(policy).is_none() => {
                self.named = Some(named + 1);
                Request::ReapOne(child)
            }
            _ => self.look(policy),
        }
    }

    /// Nothing has come for a while. Had anybody who was reaped by its pid hidden another?
    fn settled(&mut self, policy: &Policy) -> Request {
        match self.named {
            None | Some(0) => {
                self.named = None;
                self.rest()
            }
            Some(_) => self.look(policy),
        }
    }

    /// There was no report, of the child that was asked about, or of any.
    fn none_ready(&mut self, policy: &Policy) -> Request {
        if let Request::ReapOne(_) = self.outstanding {
            return self.settle();
        }
        if let (Some(most), Reaper::Untried | Reaper::Init) = (policy.reaping.storm, self.reaper) {
            self.looks = self.looks.saturating_add(1).min(most.get());
            if self.is_storm(policy) {
                self.named = Some(0);
            }
        }
        self.rest()
    }

    fn is_storm(&self, policy: &Policy) -> bool {
        policy.reaping.storm.is_some_and(|most| self.looks >= most.get())
    }

    /// A signal was taken, and is dealt with. It counts as a child that was named: no flood of
    /// signals may keep us from ever looking for those whom the last CHLD hid.
    fn after_signal(&mut self, policy: &Policy) -> Request {
        match &mut self.named {
            Some(0) | None => self.rest(),
            Some(named) if *named < Self::most_named(policy) => {
                *named += 1;
                self.rest()
            }
            Some(_) => self.look(policy),
        }
    }

    /// How many are named at most before all children are looked at.
    fn most_named(policy: &Policy) -> u8 {
        // It fits: storm is at most MAX_STORM.
        policy.reaping.storm.map_or(0, NonZeroU8::get) * Reaping::NAMED_PER_LOOK
    }

    /// Waits until it is quiet.
    const fn settle(&self) -> Request {
        Request::Settle(match self.phase {
            Phase::Starting | Phase::Running | Phase::Stopping => SETTLE,
            Phase::Draining | Phase::LastCall | Phase::Killing | Phase::Exited => SETTLE_ASKED,
        })
    }

    /// There is nothing to do.
    const fn rest(&self) -> Request {
        match (self.named, self.reaper, self.main) {
            (Some(_), ..) => self.settle(),
            (None, Reaper::Kernel, Main::Unreaped { pid, .. }) => Request::Watch(pid),
            _ => Request::Wait,
        }
    }

    fn init_reaps(&mut self, does: &mut Effects) {
        if self.reaper == Reaper::Kernel {
            self.reaper = Reaper::Init;
            does.push(Effect::InitReaps);
        }
    }

    // ------------------------------------------------------------------------------ signals

    /// Sends a taken signal on (S4). Was it a stop signal that the main child now knows of?
    fn send_on(
        &mut self,
        policy: &Policy,
        signal: Signal,
        value: Option<u64>,
        does: &mut Effects,
    ) -> bool {
        let Main::Unreaped { pid, stopped, asked } = &mut self.main else {
            return false;
        };
        let Some(becomes) = policy.rewrites.apply(signal) else {
            return false;
        };
        let (pid, stop) = (*pid, policy.stop_signals.contains(signal));
        let wake = stop && *stopped;
        *asked |= stop;
        if stop {
            // Before it is told: then its stop is announced.
            self.init_reaps(does);
        }
        does.push(match policy.forward {
            Forward::Main => Effect::Kill { target: Target::Main(pid), signal: becomes, value },
            Forward::Group => kill(Target::Group(pid), becomes),
            Forward::All => kill(everybody(policy), becomes),
        });
        if wake {
            does.push(kill(Target::Main(pid), Signal::CONT));
        }
        stop
    }

    /// After the asking: a further stop signal is for everybody; another one is for the main
    /// child if that is still there (S4), and for nobody else: USR1 kills who does not know it.
    fn send_on_to_whoever_is_left(
        &mut self,
        policy: &Policy,
        signal: Signal,
        value: Option<u64>,
        does: &mut Effects,
    ) {
        if policy.stop_signals.contains(signal) {
            if let Some(becomes) = policy.rewrites.apply(signal) {
                does.push(kill(everybody(policy), becomes));
            }
        } else {
            self.send_on(policy, signal, value, does);
        }
    }

    /// Asks everybody who is left. Also the main child, if it is.
    fn ask_everybody(&mut self, policy: &Policy, does: &mut Effects) {
        if let Main::Unreaped { asked, .. } = &mut self.main {
            *asked = true;
        }
        does.push(kill(everybody(policy), policy.drain_signal));
        does.push(kill(everybody(policy), Signal::CONT));
    }

    // -------------------------------------------------------------------- stop and continue

    fn stopped(
        &mut self,
        policy: &Policy,
        child: Pid,
        signal: Signal,
        does: &mut Effects,
    ) -> Request {
        if let Main::Unreaped { pid, stopped, asked } = &mut self.main
            && *pid == child
        {
            *stopped = true;
            let job = policy.terminal && signal.is_terminal_stop();
            if job && self.phase == Phase::Running {
                // The terminal stopped the job. We are part of it, so that the shell above gets
                // its terminal back; when it wakes us, or at once if nobody can (as PID 1 there
                // is no shell above: K72), the main child goes on in the foreground.
                if policy.role != Role::Pid1 {
                    does.push(Effect::StopSelf);
                }
                does.push(Effect::ForegroundMain(child));
                does.push(kill(Target::Group(child), Signal::CONT));
            } else if *asked {
                // Told to end, so it must be able to; this report was on its way.
                does.push(kill(Target::Main(child), Signal::CONT));
            }
        }
        self.look_on()
    }

    fn continued(&mut self, child: Pid) -> Request {
        if let Main::Unreaped { pid, stopped, .. } = &mut self.main
            && *pid == child
        {
            *stopped = false;
        }
        self.look_on()
    }

    /// A child that asked to be traced by us stands still before every signal; we are no
    /// debugger. It gets its signal, but for TRAP: that one is the kernel's own, sent after an
    /// exec to tell the debugger (ptrace(2)), and would kill it.
    fn trapped(&self, child: Pid, signal: Signal, does: &mut Effects) -> Request {
        let deliver = if signal == Signal::TRAP { None } else { Some(signal) };
        does.push(Effect::Detach(child, deliver));
        self.look_on()
    }

    fn is_main(&self, child: Pid) -> bool {
        self.main_child() == Some(child)
    }

    // ---------------------------------------------------------------------------- the clock

    /// Lets `grace` run from now on, in place of any other.
    fn arm(&mut self, grace: Millis, does: &mut Effects) {
        self.left = grace;
        self.frozen = 0;
        does.push(Effect::SetAlarm(grace.min(TICK)));
    }

    /// A tick is over. Is the grace? If not, the next tick is armed.
    fn tick_ends_grace(&mut self, late: Millis, does: &mut Effects) -> bool {
        if late >= FROZEN && self.frozen < FORGIVEN {
            self.frozen += 1;
        } else {
            self.left = self.left.minus(self.left.min(TICK)).minus(late);
        }
        if self.left.is_zero() {
            return true;
        }
        does.push(Effect::SetAlarm(self.left.min(TICK)));
        false
    }

    /// What to ask for after a tick that ended nothing.
    fn after_tick(&mut self, policy: &Policy) -> Request {
        match self.outstanding {
            // Nothing tells us of the end of somebody who is not our child (K48).
            Request::Wait if self.company_only => Request::Census,
            // A tick is longer than it must be quiet; and who is always late would never settle.
            Request::Settle(_) => self.settled(policy),
            request => request,
        }
    }
}

/// Everybody else: `kill(-1)` is for PID 1 alone (S9, K49).
const fn everybody(policy: &Policy) -> Target {
    match policy.role {
        Role::Pid1 => Target::All,
        Role::Subreaper | Role::Plain => Target::Descendants,
    }
}

const fn kill(target: Target, signal: Signal) -> Effect {
    Effect::Kill { target, signal, value: None }
}

/// K81: the terminal's foreground group is still the dead main child's.
fn take_terminal_back(policy: &Policy, does: &mut Effects) {
    if policy.terminal {
        does.push(Effect::ForegroundOwn);
    }
}

#[cfg(test)]
mod tests;
