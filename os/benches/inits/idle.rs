//! How often an init wakes up while nothing happens: context switches of all of them at the same time,
//! each with a command that sleeps.

use crate::Setting;
use crate::stage::{Launch, Pid, cpu_ns, end, pause, switches};
use crate::table::{Cell, Findings, Table};

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let all = &setting.contenders;
    let seconds = if setting.quick { 3 } else { 10 };
    let start = |init| Launch::new(init, &[&setting.tiny.sleeps]).bound().start();
    let pids: Vec<Pid> = all.iter().map(start).collect();
    pause(1_500);
    let look = |&pid: &Pid| (cpu_ns(pid), switches(pid));
    let before: Vec<_> = pids.iter().map(look).collect();
    pause(seconds * 1_000);
    let after: Vec<_> = pids.iter().map(look).collect();
    for &pid in &pids {
        end(pid);
    }
    let title = format!("Wake-ups in {seconds} idle seconds");
    let columns = ["wake-ups", "preempted", "CPU, µs"];
    let mut table = Table::new(&title, "With a command that sleeps.", &columns);
    let mut wake_ups = Vec::new();
    for (at, init) in all.iter().enumerate() {
        let ((cpu, (voluntary, preempted)), then) = (after[at], before[at]);
        wake_ups.push(voluntary - then.1.0);
        table.row(
            init.name,
            vec![
                Cell::Number(voluntary - then.1.0, 0),
                Cell::Number(preempted - then.1.1, 0),
                Cell::Number((cpu - then.0) as f64 / 1e3, 1),
            ],
        );
    }
    findings.table(table);
    let line =
        if setting.quick { "wake-ups in 3 idle seconds" } else { "wake-ups in 10 idle seconds" };
    findings.sum_up(line, 0, all, &wake_ups);
}
