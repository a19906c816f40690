//! What can happen next in a world.

use lastout_core::{Millis, Pid};

use super::{Choice, World};
use crate::engine::{Action, Progress};
use crate::execute::{self};
use crate::kernel::{Process, State};
use crate::program::IDLE;
use crate::setting::Setting;

impl World {
    /// Everything that can happen next, in an order that is always the same. Nothing, if it is
    /// over, or if nobody will ever move again.
    pub fn choices(&self, setting: &Setting, choices: &mut Vec<Choice>) {
        choices.clear();
        if self.is_over() {
            return;
        }
        let init = self.init_slot();
        let init_can_move = self.init_can_move(setting);
        if init_can_move {
            choices.push(Choice::Init);
        }
        let faults = self.budget;
        let frozen = self.kernel.frozen;
        for (at, process) in self.kernel.processes.iter().enumerate() {
            let pid = process.pid;
            if process.uninterruptible
                || !process.is_alive()
                    && (process.traced || setting.faults.lazy && process.parent.is_none())
            {
                choices.push(Choice::LetGo(pid));
                continue;
            }
            if Some(at) == init {
                if self.kernel.is_runnable(at) && self.kernel.has_deliverable(at) {
                    choices.push(Choice::Process(pid, 0));
                }
                continue;
            }
            if !process.is_alive() {
                continue;
            }
            let ways = execute::ways(&self.kernel, &setting.library, at);
            for way in 0..ways {
                #[allow(clippy::cast_possible_truncation, reason = "a program has 250 labels")]
                choices.push(Choice::Process(pid, way as u8));
            }
            if process.code.program == IDLE || frozen {
                continue;
            }
            if faults.hang > 0 && process.state == State::Running {
                choices.push(Choice::Hang(pid));
            }
            if faults.tracer > 0 && !process.traced {
                choices.push(Choice::Trace(pid));
            }
            if faults.fork > 0 && ways == 1 && self.is_forking(setting, process) {
                choices.push(Choice::ForkFails(pid));
            }
        }
        let busy = choices.iter().any(|c| matches!(c, Choice::Init | Choice::Process(..)));
        if self.may_engine_act(setting) {
            for (at, progress) in self.engine.iter().enumerate() {
                if self.engine_can_act(setting, at, *progress, busy) {
                    #[allow(clippy::cast_possible_truncation, reason = "a handful of scripts")]
                    choices.push(Choice::Engine(at as u8));
                }
            }
        }
        if frozen {
            return;
        }
        if self.driver.is_some() {
            if faults.chld > 0 {
                choices.push(Choice::Chld);
            }
            if faults.eintr > 0 && !init_can_move {
                choices.push(Choice::Eintr);
            }
            if faults.stolen > 0 && self.dead_main().is_some() {
                choices.push(Choice::Steal);
            }
        }
        let prompt = setting.prompt
            && (busy || choices.iter().any(|choice| matches!(choice, Choice::Engine(_))));
        if !prompt || init_can_move {
            self.spans(setting, init_can_move, choices);
        }
    }

    /// How much time can pass at once.
    pub(super) fn spans(&self, setting: &Setting, init_can_move: bool, choices: &mut Vec<Choice>) {
        // What is due on the engine's clock happens first.
        let due = |progress: &Progress| progress.timer.is_some_and(Millis::is_zero);
        if self.engine.iter().any(due) {
            return;
        }
        let Some(next) = self.next_timer() else {
            return;
        };
        // Nor does a dying init take its time.
        let dying = self
            .init_slot()
            .is_some_and(|at| self.kernel.is_runnable(at) && self.kernel.has_deliverable(at));
        if dying {
            return;
        }
        let most = if init_can_move {
            let left = setting.faults.late.minus(self.late);
            next.unwrap_or(left).min(left)
        } else {
            match next {
                Some(next) => next,
                None => return,
            }
        };
        if most.is_zero() {
            return;
        }
        choices.push(Choice::Pass(most));
        if setting.halves && most.0 > 1 {
            choices.push(Choice::Pass(Millis(most.0 / 2)));
        }
    }

    /// What is left until the next clock runs out: `Some(None)` if all that run are over, none
    /// if none runs.
    #[allow(clippy::option_option, reason = "there are three cases, and one caller")]
    pub(super) fn next_timer(&self) -> Option<Option<Millis>> {
        let mut runs = false;
        let mut least: Option<Millis> = None;
        let mut look = |left: Millis| {
            runs = true;
            if !left.is_zero() {
                least = Some(least.map_or(left, |least| least.min(left)));
            }
        };
        let driver = self.driver.as_ref();
        for clock in driver.into_iter().flat_map(|driver| [driver.alarm, driver.settle]).flatten() {
            look(Millis(u32::try_from(clock.max(0)).unwrap_or(0)));
        }
        self.engine.iter().filter_map(|progress| progress.timer).for_each(&mut look);
        self.kernel.processes.iter().filter_map(|p| p.code.timer).for_each(&mut look);
        runs.then_some(least)
    }

    pub(super) fn is_forking(&self, setting: &Setting, process: &Process) -> bool {
        use crate::program::Instruction as I;
        let at = self.kernel.find(process.pid);
        let clear = at.is_some_and(|at| {
            !process.owes_chld
                && !self.kernel.has_deliverable(at)
                && process.code.trapped.is_empty()
        });
        let instruction = setting.library.at(process.code.program, process.code.at);
        clear && matches!(instruction, I::Fork(_) | I::Spawn(_) | I::Background(_) | I::Daemon(_))
    }

    pub(super) fn init_slot(&self) -> Option<usize> {
        self.driver.as_ref().and_then(|driver| self.kernel.find(driver.pid))
    }

    pub(super) fn init_can_move(&self, setting: &Setting) -> bool {
        let (Some(driver), Some(at)) = (&self.driver, self.init_slot()) else {
            return false;
        };
        self.kernel.is_runnable(at)
            && !self.kernel.has_deliverable(at)
            && driver.can_move(&self.kernel, setting)
    }

    pub(super) fn dead_main(&self) -> Option<Pid> {
        let init = self.driver.as_ref()?.pid;
        let dead =
            |p: &&Process| p.ghost.main && !p.is_alive() && !p.traced && p.parent == Some(init);
        self.kernel.processes.iter().find(dead).map(|p| p.pid)
    }

    pub(super) fn may_engine_act(&self, setting: &Setting) -> bool {
        setting.faults.early || self.driver.as_ref().is_none_or(|driver| driver.masked)
    }

    pub(super) fn engine_can_act(
        &self,
        setting: &Setting,
        at: usize,
        progress: Progress,
        busy: bool,
    ) -> bool {
        let action = setting.engine[at].get(usize::from(progress.at));
        match action {
            None => false,
            Some(Action::Wait(_) | Action::Timeout(_)) => {
                progress.timer.is_some_and(Millis::is_zero)
            }
            Some(Action::Pause(_)) => !self.kernel.frozen,
            Some(Action::Unpause) => self.kernel.frozen,
            Some(Action::Settle) => !busy,
            Some(Action::Press(_)) => self.kernel.foreground != 0,
            Some(_) => true,
        }
    }
}
