//! A life as a time line in the terminal.

use std::fmt::Write;

use super::layout::{LEGEND, LINES, Label, Panel, Style, margin, panels};
use super::life::{Being, Life, Row};
use super::ps::columns;
use crate::setting::Setting;
use crate::world::World;

/// The narrowest that a panel becomes, however narrow the terminal.
const NARROWEST: usize = 24;

type Cells = Vec<(char, Style)>;

/// A life as a time line of that width: a row for each process, in the tree as it was born, and
/// above them the engine and the phase of lastout; then the same as a table. Where a dotted rule
/// stands under the times, time passes; elsewhere, only the order of events is to be seen.
pub fn timeline(world: &World, setting: &Setting, width: usize, colour: bool) -> String {
    let life = Life::of(world);
    let margin = margin(&life);
    let mut text = format!("{}\n\n", setting.policy);
    for panel in panels(&life, width.saturating_sub(margin).max(NARROWEST)) {
        text.push_str(&rows(&panel, margin, colour));
        text.push('\n');
    }
    text.push_str(&legend(width, colour));
    text.push('\n');
    text.push_str(&columns(&table(&life), 1));
    text
}

fn rows(panel: &Panel, margin: usize, colour: bool) -> String {
    let blank = || vec![(' ', Style::Plain); panel.width];
    let mut text = String::new();
    let mut line = |name: &str, cells: Cells| {
        let pad = margin.saturating_sub(name.chars().count());
        let _ = writeln!(text, "{name}{:pad$}{}", "", painted(&cells, colour));
    };

    let mut times = blank();
    for gap in &panel.gaps {
        let sign = if gap.what { '*' } else { '┄' };
        times[gap.from..gap.to].fill((sign, Style::Dim));
    }
    write(&mut times, &panel.times);
    line("", times);

    if !panel.engine.is_empty() {
        let mut engine = blank();
        write(&mut engine, &panel.engine);
        line("engine", engine);
    }
    if !panel.phases.is_empty() {
        let mut phases = blank();
        for span in &panel.phases {
            let room = span.what.chars().chain(" ".chars()).chain(std::iter::repeat('·'));
            for (cell, sign) in phases[span.from..span.to].iter_mut().zip(room) {
                *cell = (sign, Style::Phase);
            }
        }
        line("phase", phases);
    }
    for lane in &panel.lanes {
        let mut cells = blank();
        for span in &lane.line {
            cells[span.from..span.to].fill(being(span.what));
        }
        write(&mut cells, &lane.labels);
        line(&lane.name, cells);
    }
    text
}

const fn being(being: Being) -> (char, Style) {
    match being {
        Being::Runs => ('━', Style::Plain),
        Being::Stopped => ('┄', Style::Dim),
        Being::Hangs => ('≈', Style::Dead),
        Being::Zombie => ('░', Style::Dim),
        Being::Gone => (' ', Style::Plain),
    }
}

fn write(cells: &mut Cells, labels: &[Label]) {
    for label in labels {
        for (cell, sign) in cells[label.at..].iter_mut().zip(label.text.chars()) {
            *cell = (sign, label.style);
        }
    }
}

/// The cells as text, with escape sequences where the style changes.
fn painted(cells: &Cells, colour: bool) -> String {
    let seen = cells.iter().rposition(|(sign, _)| *sign != ' ').map_or(0, |last| last + 1);
    let mut text = String::new();
    let mut now = Style::Plain;
    for &(sign, style) in &cells[..seen] {
        if colour && style != now {
            text.push_str(escape(style));
            now = style;
        }
        text.push(sign);
    }
    if now != Style::Plain {
        text.push_str(escape(Style::Plain));
    }
    text
}

/// The eight colours that every terminal has, chosen by its user to be read.
const fn escape(style: Style) -> &'static str {
    match style {
        Style::Plain => "\x1b[0m",
        Style::Dim => "\x1b[0;2m",
        Style::Init => "\x1b[0;1;34m",
        Style::Engine => "\x1b[0;1;33m",
        Style::Kernel => "\x1b[0;1;35m",
        Style::Process => "\x1b[0;36m",
        Style::Handler => "\x1b[0;32m",
        Style::Dead => "\x1b[0;31m",
        Style::Phase => "\x1b[0;7m",
    }
}

fn legend(width: usize, colour: bool) -> String {
    let lines = LINES.iter().map(|&(of, means)| {
        let (sign, style) = being(of);
        (sign.to_string(), means, style)
    });
    let signs = LEGEND.iter().map(|&(sign, means, style)| (sign.to_owned(), means, style));
    let mut text = String::new();
    let mut line = Cells::new();
    for (sign, means, style) in lines.chain(signs) {
        let mut entry: Cells = sign.chars().map(|sign| (sign, style)).collect();
        entry.extend(format!(" {means}  ").chars().map(|sign| (sign, Style::Plain)));
        if !line.is_empty() && line.len() + entry.len() > width {
            let _ = writeln!(text, "{}", painted(&std::mem::take(&mut line), colour));
        }
        line.extend(entry);
    }
    let _ = writeln!(text, "{}", painted(&line, colour));
    text
}

/// Each process: how it was asked, and how it ended, and when.
fn table(life: &Life) -> Vec<Vec<String>> {
    let headings = ["PID", "PROGRAM", "BORN", "SENT", "ENDED", "AT", "REAPED"];
    let mut table = vec![headings.map(String::from).to_vec()];
    table.extend(life.rows.iter().map(|row| entry(life, row)));
    table
}

fn entry(life: &Life, row: &Row) -> Vec<String> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    vec![
        row.pid.to_string(),
        row.programs.join("→"),
        or_none(row.beings.first().map(|(moment, _)| life.seconds(*moment))),
        or_none(life.sent(row)),
        or_none(row.ending()),
        or_none(life.since(row, Being::Zombie)),
        or_none(life.since(row, Being::Gone)),
    ]
}
