//! Stop signals that are lost in the first moments: TERM at a random moment of the first 1.5 ms after
//! the init's exec. What comes before the init has blocked its signals nobody can keep (K9). The
//! command dies of TERM at once, so an init that heard it has ended within some milliseconds; one that
//! has not within [`PATIENCE`] has lost it. Init and harness are on two processors: on one, no TERM
//! would come before init sleeps.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::stage::{Launch, Pid, end, has_ended, kill, processors, spin_until};
use crate::table::{Cell, Findings, Table};
use crate::{Random, Setting};

/// From the init's exec on.
const WINDOW_NS: usize = 1_500_000;
/// So long a try is looked at before the next begins.
const SOON: Duration = Duration::from_millis(3);
/// And so long after that, while others are tried.
const PATIENCE: Duration = Duration::from_millis(400);

/// One that has not ended soon.
struct Waiting {
    pid: Pid,
    contender: usize,
    since: Instant,
}

pub(crate) fn measure(setting: &Setting, findings: &mut Findings) {
    let all = &setting.contenders;
    let tries = setting.rounds(1_000, 100);
    let other = processors().get(1).copied();
    let launches: Vec<Launch> = all
        .iter()
        .map(|init| {
            let launch = Launch::new(init, &[&setting.tiny.sleeps]).bound();
            match other {
                Some(processor) => launch.on(processor),
                None => launch,
            }
        })
        .collect();
    let mut lost = vec![0_u32; all.len()];
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    let mut random = Random::new();
    let pinned = other.map(|_| crate::stage::Pinned::new());
    for _ in 0..tries {
        for at in setting.shuffled(&mut random) {
            if all[at].is_bare() || !all[at].forwards {
                continue;
            }
            let nanos = random.below(WINDOW_NS) as u64;
            let pid = launches[at].start();
            // It has just been executed.
            let start = Instant::now();
            spin_until(start, Duration::from_nanos(nanos));
            kill(pid, libc::SIGTERM);
            let sent = Instant::now();
            let mut ended = false;
            while !ended && sent.elapsed() < SOON {
                ended = has_ended(pid);
            }
            if !ended {
                waiting.push_back(Waiting { pid, contender: at, since: sent });
            }
            look(&mut waiting, &mut lost);
        }
    }
    while !waiting.is_empty() {
        std::thread::sleep(Duration::from_millis(5));
        look(&mut waiting, &mut lost);
    }
    drop(pinned);
    let about = format!(
        "{tries} times TERM at a random moment of the first 1.5 ms after the init's exec. \
         Those before its first instruction nobody can keep."
    );
    let title = "Stop signals lost at the start";
    let mut table = Table::new(title, &about, &["lost", "share, %"]);
    let mut figures = vec![f64::NAN; all.len()];
    for (at, init) in all.iter().enumerate().filter(|(_, i)| !i.is_bare() && i.forwards) {
        let share = f64::from(lost[at]) / tries as f64 * 100.0;
        table.row(init.name, vec![Cell::Number(f64::from(lost[at]), 0), Cell::Number(share, 1)]);
        figures[at] = f64::from(lost[at]);
    }
    findings.table(table);
    let line = "TERMs lost of 1,000 at random moments of the first 1.5 ms";
    let per_thousand: Vec<f64> = figures.iter().map(|f| f * 1_000.0 / tries as f64).collect();
    findings.sum_up(line, 0, all, &per_thousand);
}

/// Who of these has ended, and who has lost it.
fn look(waiting: &mut VecDeque<Waiting>, lost: &mut [u32]) {
    waiting.retain(|one| {
        if has_ended(one.pid) {
            return false;
        }
        if one.since.elapsed() < PATIENCE {
            return true;
        }
        lost[one.contender] += 1;
        end(one.pid);
        false
    });
}
