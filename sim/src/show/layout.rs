//! A life laid out in columns: what stands where, for the time line in the terminal and for the
//! one in SVG.
//!
//! Each moment is as wide as the widest thing that stands in it. Between moments of different
//! times there is a gap, the wider the longer that was, but by its logarithm: pauses of seconds
//! stand beside things that happen in the same millisecond. What is too wide goes on in another
//! panel below.

use std::fmt::Write;

use lastout_core::Status;

use super::life::{Being, By, Life, Mark, Row, seconds};

/// The widest gap.
const WIDEST: usize = 16;

/// The longest name of a process, and the longest text about what happens outside.
const LONGEST: usize = 28;

/// How something is to be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    Plain,
    Dim,
    Init,
    Engine,
    Kernel,
    Process,
    Handler,
    Dead,
    Phase,
}

/// A text at a column.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub(super) at: usize,
    pub(super) text: String,
    pub(super) style: Style,
}

/// From a column to before another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span<T> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) what: T,
}

/// A process in a panel.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) name: String,
    /// What it is in which columns.
    pub(super) line: Vec<Span<Being>>,
    pub(super) labels: Vec<Label>,
}

/// As much of a life as fits into the width.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    pub(super) width: usize,
    /// The times at which things happen.
    pub(super) times: Vec<Label>,
    /// Where time passes; frozen or not.
    pub(super) gaps: Vec<Span<bool>>,
    /// What the engine does.
    pub(super) engine: Vec<Label>,
    /// The phases of the init.
    pub(super) phases: Vec<Span<String>>,
    pub(super) lanes: Vec<Lane>,
}

/// A moment in a panel: time passes from `from` on, and it happens from `at` to before `to`.
struct Column {
    moment: usize,
    from: usize,
    at: usize,
    to: usize,
}

/// Lays out a life in panels of at most that width, or as wide as its widest moment.
pub(super) fn panels(life: &Life, width: usize) -> Vec<Panel> {
    let widths: Vec<usize> = (0..life.moments.len()).map(|at| widest(life, at) + 1).collect();
    let gaps = gaps(life, &widths, width);
    let mut panels = Vec::new();
    let mut columns: Vec<Column> = Vec::new();
    for (moment, (&wide, &gap)) in widths.iter().zip(&gaps).enumerate() {
        let mut from = columns.last().map_or(0, |last| last.to);
        if from > 0 && from + gap + wide > width {
            panels.push(panel(life, &columns));
            columns.clear();
            from = 0;
        }
        columns.push(Column { moment, from, at: from + gap, to: from + gap + wide });
    }
    panels.push(panel(life, &columns));
    panels
}

fn widest(life: &Life, moment: usize) -> usize {
    let marks = life.rows.iter().filter_map(|row| row.mark(moment)).map(|m| mark(m).0);
    let head = &life.moments[moment];
    let phase = head.phase.map(|phase| format!("{phase:?}"));
    let before = moment.checked_sub(1).map(|before| life.moments[before].at);
    let time = (before != Some(head.at)).then(|| seconds(head.at));
    let texts = marks.chain(phase).chain(head.engine.as_deref().map(short)).chain(time);
    texts.map(|text| text.chars().count()).max().unwrap_or(0).max(1)
}

/// How many columns the time before each moment takes.
fn gaps(life: &Life, widths: &[usize], width: usize) -> Vec<usize> {
    let times = life.moments.iter().map(|moment| moment.at);
    let before = std::iter::once(0).chain(times.clone());
    let weights: Vec<usize> =
        times.zip(before).map(|(at, before)| (at - before + 1).ilog2() as usize).collect();
    let sum: usize = weights.iter().sum();
    let least = |weight: usize| weight.div_ceil(5);
    let used = widths.iter().copied().chain(weights.iter().copied().map(least)).sum();
    let free = width.saturating_sub(used);
    let share = |weight: usize| (free * weight).checked_div(sum).unwrap_or(0);
    weights.iter().map(|&weight| (least(weight) + share(weight)).min(WIDEST)).collect()
}

fn panel(life: &Life, columns: &[Column]) -> Panel {
    Panel {
        width: columns.last().map_or(0, |column| column.to),
        times: times(life, columns),
        gaps: columns
            .iter()
            .filter(|column| column.from < column.at)
            .map(|c| Span { from: c.from, to: c.at, what: life.moments[c.moment].frozen })
            .collect(),
        engine: columns
            .iter()
            .filter_map(|c| {
                let text = short(life.moments[c.moment].engine.as_ref()?);
                Some(Label { at: c.at, text, style: Style::Engine })
            })
            .collect(),
        phases: phases(life, columns),
        lanes: life
            .rows
            .iter()
            .map(|row| lane(life, row, columns))
            .filter(|lane| !lane.line.is_empty())
            .collect(),
    }
}

/// The time stands where the first thing happens then. There is room, but perhaps not where a
/// panel begins in the middle of it.
fn times(life: &Life, columns: &[Column]) -> Vec<Label> {
    let mut times: Vec<Label> = Vec::new();
    let mut last = None;
    let mut columns = columns.iter().peekable();
    while let Some(column) = columns.next() {
        let at = life.moments[column.moment].at;
        if last.replace(at) != Some(at) {
            let text = seconds(at);
            let mut room = column.to;
            while let Some(next) = columns.next_if(|next| life.moments[next.moment].at == at) {
                room = next.to;
            }
            if column.at + text.chars().count() < room {
                times.push(Label { at: column.at, text, style: Style::Dim });
            }
        }
    }
    times
}

fn phases(life: &Life, columns: &[Column]) -> Vec<Span<String>> {
    let first = columns.first().map_or(0, |column| column.moment);
    let before = life.moments[..first].iter().rev().find_map(|moment| moment.phase);
    let mut all: Vec<Span<String>> = Vec::new();
    let changes = columns.iter().filter_map(|c| Some((c.at, life.moments[c.moment].phase?)));
    for (at, phase) in before.map(|phase| (0, phase)).into_iter().chain(changes) {
        if let Some(last) = all.last_mut() {
            last.to = at;
        }
        let to = columns.last().map_or(at, |column| column.to);
        all.push(Span { from: at, to, what: format!("{phase:?}") });
    }
    // What began in the panel before may have no room left to be named.
    if let Some(first) = all.first_mut().filter(|first| first.to < first.what.chars().count()) {
        first.what.clear();
    }
    all
}

fn lane(life: &Life, row: &Row, columns: &[Column]) -> Lane {
    let mut spans: Vec<Span<Being>> = Vec::new();
    let mut draw = |from: usize, to: usize, being: Option<Being>, frozen: bool| {
        let being = match being {
            None | Some(Being::Gone) => return,
            Some(Being::Runs) if frozen => Being::Stopped,
            Some(being) => being,
        };
        match spans.last_mut() {
            Some(last) if last.to == from && last.what == being => last.to = to,
            _ if from < to => spans.push(Span { from, to, what: being }),
            _ => (),
        }
    };
    let mut labels = Vec::new();
    for column in columns {
        let moment = column.moment;
        let before = moment.checked_sub(1).and_then(|before| row.being(before));
        draw(column.from, column.at, before, life.moments[moment].frozen);
        draw(column.at, column.to, row.being(moment), false);
        if let Some(what) = row.mark(moment) {
            let (text, style) = mark(what);
            labels.push(Label { at: column.at, text, style });
        }
    }
    Lane { name: name(row), line: spans, labels }
}

fn name(row: &Row) -> String {
    let mut name = format!("{:1$}", "", 2 * row.depth);
    let _ = write!(name, "{} {}", row.pid, row.programs.join("→"));
    short(&name)
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    text.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// How many columns the names beside the panels take, with what is free after them.
pub(super) fn margin(life: &Life) -> usize {
    let names = life.rows.iter().map(|row| name(row).chars().count());
    names.max().unwrap_or(0).max("engine".len()) + 2
}

/// What stands for a thing that happens to a process.
fn mark(mark: &Mark) -> (String, Style) {
    match mark {
        Mark::Sent { signal, by, effect } => {
            let (sign, style) = match by {
                By::Init => ('▼', Style::Init),
                By::Engine => ('▽', Style::Engine),
                By::Kernel => ('◆', Style::Kernel),
                By::Process(_) => ('◇', Style::Process),
            };
            match effect {
                true => (format!("{sign}{signal}"), style),
                false => (format!("{sign}({signal})"), Style::Dim),
            }
        }
        Mark::Handles(signal) => (format!("»{signal}"), Style::Handler),
        Mark::Stopped(signal) => (format!("‖{signal}"), Style::Process),
        Mark::Ended(Status::Exited(code), _) => (format!("■{code}"), Style::Plain),
        Mark::Ended(Status::Killed { signal, .. }, by) => {
            let by = by.map(|by| format!("▸{}", by.name())).unwrap_or_default();
            (format!("✗{signal}{by}"), Style::Dead)
        }
    }
}

/// The lines, and what they mean.
pub(super) const LINES: &[(Being, &str)] = &[
    (Being::Runs, "runs"),
    (Being::Stopped, "stopped or frozen"),
    (Being::Hangs, "hangs in the kernel"),
    (Being::Zombie, "zombie"),
];

/// The signs, and what they mean.
pub(super) const LEGEND: &[(&str, &str, Style)] = &[
    ("▼", "sent by init", Style::Init),
    ("▽", "by the engine", Style::Engine),
    ("◆", "by the kernel", Style::Kernel),
    ("◇", "by a process", Style::Process),
    ("▼()", "without effect", Style::Dim),
    ("»", "its handler runs", Style::Handler),
    ("‖", "stops", Style::Process),
    ("■", "exits", Style::Plain),
    ("✗", "is killed ▸ by whom", Style::Dead),
];
