//! What an init asks of the kernel and of the processor until its command has been executed and
//! after, counted by ptrace(2): system calls by name, and, one step at a time, instructions. Both are
//! exact, and the same on every machine that runs these programs. What the command does itself is
//! not counted.

use std::collections::BTreeMap;
use std::ptr;

use nix::sys::ptrace::{self, Options};
use nix::unistd::Pid;

use crate::Setting;
use crate::contenders::Contender;
use crate::stage::Launch;
use crate::table::{Cell, Findings, Table};

mod names;

/// Who did it, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// The init, before it has a child.
    Before,
    /// The child, before it is the command.
    Child,
    /// The init, after that.
    After,
}

/// What one life consisted of, by part.
#[derive(Default)]
struct Life {
    calls: [Vec<i64>; 3],
    steps: [u64; 3],
    /// Instructions that leave a virtual machine each.
    cpuid: u64,
}

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let mut counts = Table::new(
        "System calls and instructions",
        "One life, counted with ptrace(2): init until it has a child, the child until it is the \
         command, init afterwards. CPUID: instructions of that name, each of which leaves a virtual \
         machine.",
        &[
            "calls before",
            "calls of the child",
            "calls after",
            "calls to the command's exec",
            "instructions before",
            "of the child",
            "after",
            "all instructions",
            "CPUID",
        ],
    );
    let mut names = Table::new(
        "System calls by name",
        "The same lives.",
        &["init, before", "the child, to its exec", "init, after"],
    );
    let mut to_exec = Vec::new();
    let mut steps = Vec::new();
    for init in &setting.contenders {
        if init.is_bare() {
            to_exec.push(f64::NAN);
            steps.push(f64::NAN);
            continue;
        }
        let called = live(setting, init, false);
        let stepped = live(setting, init, true);
        let [before, child, after] = called.calls.each_ref().map(|calls| calls.len() as f64);
        let [s_before, s_child, s_after] = stepped.steps.map(|steps| steps as f64);
        let all = s_before + s_child + s_after;
        let numbers = [before, child, after, before + child, s_before, s_child, s_after, all];
        let mut cells: Vec<Cell> = numbers.map(|n| Cell::Number(n, 0)).into();
        cells.push(Cell::Number(stepped.cpuid as f64, 0));
        counts.row(init.name, cells);
        let listed = called.calls.each_ref().map(|calls| Cell::Text(listed(calls)));
        names.row(init.name, listed.into());
        to_exec.push(before + child);
        steps.push(all);
    }
    findings.table(counts);
    findings.table(names);
    findings.sum_up("system calls to the command's exec", 0, &setting.contenders, &to_exec);
    findings.sum_up("user instructions of a life", 0, &setting.contenders, &steps);
}

/// Each name once, in the order of the first, and how often.
fn listed(calls: &[i64]) -> String {
    let mut often: BTreeMap<i64, usize> = BTreeMap::new();
    let mut order = Vec::new();
    for &call in calls {
        let count = often.entry(call).or_default();
        if *count == 0 {
            order.push(call);
        }
        *count += 1;
    }
    let word = |call| match often[&call] {
        1 => names::name(call),
        count => format!("{} ×{count}", names::name(call)),
    };
    order.into_iter().map(word).collect::<Vec<_>>().join(", ")
}

/// One life, followed from call to call or from instruction to instruction.
fn live(setting: &Setting, init: &Contender, by_steps: bool) -> Life {
    let first = Pid::from_raw(Launch::new(init, &[&setting.tiny.exits]).traced().start());
    let mut status = 0;
    // SAFETY: the status is ours.
    unsafe { libc::waitpid(first.as_raw(), &raw mut status, 0) };
    assert!(libc::WIFSTOPPED(status), "{}: it cannot be traced", init.name);
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACECLONE;
    ptrace::setoptions(first, options).expect("it stands still");
    let mut tracer = Tracer { first, child: None, by_steps, life: Life::default() };
    tracer.resume(first, 0);
    loop {
        // SAFETY: as above.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::__WALL) };
        assert!(pid > 0, "{}: waitpid", init.name);
        let pid = Pid::from_raw(pid);
        if libc::WIFSTOPPED(status) {
            tracer.stops(pid, status);
        } else if pid == first {
            return tracer.life;
        }
    }
}

struct Tracer {
    first: Pid,
    child: Option<Pid>,
    by_steps: bool,
    life: Life,
}

impl Tracer {
    fn resume(&self, pid: Pid, signal: i32) {
        let how = if self.by_steps { libc::PTRACE_SINGLESTEP } else { libc::PTRACE_SYSCALL };
        // SAFETY: numbers only. ESRCH: it is being killed.
        unsafe { libc::ptrace(how, pid.as_raw(), ptr::null_mut::<u8>(), signal) };
    }

    fn part(&self, pid: Pid) -> Part {
        match self.child {
            None => Part::Before,
            Some(child) if child == pid => Part::Child,
            Some(_) => Part::After,
        }
    }

    fn stops(&mut self, pid: Pid, status: i32) {
        const CALL: i32 = libc::SIGTRAP | 0x80;
        let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
        let part = self.part(pid) as usize;
        match (signal, event) {
            (CALL, _) => {
                let info = ptrace::syscall_info(pid).expect("it stands still");
                if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                    // SAFETY: the kernel says that it is this one.
                    let number = unsafe { info.u.entry.nr };
                    self.life.calls[part].push(number.cast_signed());
                }
            }
            (_, libc::PTRACE_EVENT_EXEC) => {
                // The child is the command now, which is nothing of the init's.
                ptrace::detach(pid, None).expect("it stands still");
                return;
            }
            (_, libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE) => {
                let child = ptrace::getevent(pid).expect("a new process's pid");
                if pid == self.first && self.child.is_none() {
                    self.child = i32::try_from(child).ok().map(Pid::from_raw);
                }
            }
            (libc::SIGTRAP, 0) if self.by_steps => {
                self.life.steps[part] += 1;
                self.life.cpuid += u64::from(is_at_cpuid(pid));
            }
            // What a new process begins with, perhaps before its parent tells of it.
            (libc::SIGSTOP, 0) if pid != self.first => {
                self.child.get_or_insert(pid);
            }
            (signal, 0) => return self.resume(pid, signal),
            _ => (),
        }
        self.resume(pid, 0);
    }
}

/// Is CPUID its next instruction?
#[cfg(target_arch = "x86_64")]
fn is_at_cpuid(pid: Pid) -> bool {
    let Ok(registers) = ptrace::getregs(pid) else {
        return false;
    };
    let at = registers.rip as ptrace::AddressType;
    ptrace::read(pid, at).is_ok_and(|word| word & 0xffff == 0xa20f)
}

#[cfg(not(target_arch = "x86_64"))]
fn is_at_cpuid(_: Pid) -> bool {
    false
}
