//! What was measured, as tables: for the eye, as Markdown, as JSON. And the few calculations that
//! they are made with.

use std::fmt::Write as _;

use crate::contenders::Contender;

/// What one contender showed in each round; NaN where it could not.
pub(crate) type Series = Vec<f64>;

/// The value below which `percent` of a series are.
pub(crate) fn percentile(series: &[f64], percent: f64) -> f64 {
    let mut sorted: Vec<f64> = series.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let at = (percent / 100.0 * last as f64).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

pub(crate) fn median(series: &[f64]) -> f64 {
    percentile(series, 50.0)
}

/// The median of the rounds' ratios: both were measured next to each other, so that what changes
/// slowly is in both.
pub(crate) fn ratio(series: &[f64], to: &[f64]) -> f64 {
    let ratios: Vec<f64> = series.iter().zip(to).map(|(a, b)| a / b).collect();
    median(&ratios.into_iter().filter(|r| r.is_finite()).collect::<Vec<_>>())
}

/// A value, or why there is none.
#[derive(Clone)]
pub(crate) enum Cell {
    /// With so many digits behind the point.
    Number(f64, usize),
    Text(String),
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Number(value, _) if !value.is_finite() => "–".to_owned(),
            Self::Number(value, digits) => {
                let plain = format!("{value:.digits$}");
                let (whole, rest) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
                let (sign, number) = whole.split_at(usize::from(whole.starts_with('-')));
                let mut grouped = String::new();
                for (at, digit) in number.chars().enumerate() {
                    if at > 0 && (number.len() - at).is_multiple_of(3) {
                        grouped.push(',');
                    }
                    grouped.push(digit);
                }
                format!("{sign}{grouped}{rest}")
            }
            Self::Text(text) => text.clone(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Number(value, _) if !value.is_finite() => "null".to_owned(),
            Self::Number(value, digits) => format!("{value:.*}", digits + 3),
            Self::Text(text) => quoted(text),
        }
    }
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// One table.
pub(crate) struct Table {
    title: String,
    /// What the figures are, in a sentence or two.
    about: String,
    columns: Vec<String>,
    rows: Vec<(String, Vec<Cell>)>,
}

impl Table {
    pub(crate) fn new(title: &str, about: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(ToString::to_string).collect();
        Self { title: title.to_owned(), about: about.to_owned(), columns, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, name: &str, cells: Vec<Cell>) {
        assert_eq!(cells.len(), self.columns.len(), "{}: {name}", self.title);
        self.rows.push((name.to_owned(), cells));
    }

    /// A sentence more under the title.
    pub(crate) fn say(&mut self, text: &str) {
        self.about.push(' ');
        self.about.push_str(text);
    }

    fn lines(&self) -> Vec<Vec<String>> {
        let head = std::iter::once(String::new()).chain(self.columns.iter().cloned());
        let mut lines = vec![head.collect::<Vec<_>>()];
        for (name, cells) in &self.rows {
            lines.push(std::iter::once(name.clone()).chain(cells.iter().map(Cell::text)).collect());
        }
        lines
    }

    /// For the eye.
    pub(crate) fn plain(&self) -> String {
        let lines = self.lines();
        let width = |column: usize| {
            lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
        };
        let mut text = format!("\n{}\n{}\n\n", self.title, self.about);
        for line in &lines {
            for (column, cell) in line.iter().enumerate() {
                let width = width(column);
                let _ = match column {
                    0 => write!(text, "  {cell:width$}"),
                    _ => write!(text, "  {cell:>width$}"),
                };
            }
            text.push('\n');
        }
        text
    }

    /// As Markdown, with a heading of the third level.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("### {}\n\n{}\n\n", self.title, self.about);
        for (at, line) in self.lines().iter().enumerate() {
            let _ = writeln!(text, "| {} |", line.join(" | "));
            if at == 0 {
                let _ = writeln!(text, "|---|{}", "---:|".repeat(self.columns.len()));
            }
        }
        text
    }

    pub(crate) fn json(&self) -> String {
        let rows = self.rows.iter().map(|(name, cells)| {
            let cells = self.columns.iter().zip(cells);
            let cells = cells.map(|(column, cell)| format!("{}: {}", quoted(column), cell.json()));
            let cells = cells.collect::<Vec<_>>().join(", ");
            format!("      {}: {{{cells}}}", quoted(name))
        });
        let rows = rows.collect::<Vec<_>>().join(",\n");
        let (title, about) = (quoted(&self.title), quoted(&self.about));
        format!("    {{\"title\": {title}, \"about\": {about}, \"rows\": {{\n{rows}\n    }}}}")
    }
}

/// A line of the summary: one figure of each.
struct Line {
    measure: &'static str,
    figures: Vec<(&'static str, Cell)>,
}

/// All that was found.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) tables: Vec<Table>,
    summary: Vec<Line>,
}

impl Findings {
    /// Shows a table, and keeps it.
    pub(crate) fn table(&mut self, table: Table) {
        print!("{}", table.plain());
        self.tables.push(table);
    }

    /// A figure of each contender for the summary, in their order; NaN: none.
    pub(crate) fn sum_up(
        &mut self,
        measure: &'static str,
        digits: usize,
        contenders: &[Contender],
        figures: &[f64],
    ) {
        let cell = |&value: &f64| Cell::Number(value, digits);
        let names = contenders.iter().map(|contender| contender.name);
        let figures = names.zip(figures.iter().map(cell)).collect();
        self.summary.push(Line { measure, figures });
    }

    /// One table of the most important figures of these, as Markdown.
    pub(crate) fn summary(&self, of: &[&str]) -> String {
        let mut text = format!("| | {} |\n|---|{}\n", of.join(" | "), "---:|".repeat(of.len()));
        for line in &self.summary {
            let cells = of.iter().map(|name| {
                let figure = line.figures.iter().find(|(who, _)| who == name);
                figure.map_or_else(|| "–".to_owned(), |(_, cell)| cell.text())
            });
            let cells = cells.collect::<Vec<_>>().join(" | ");
            let _ = writeln!(text, "| {} | {cells} |", line.measure);
        }
        text
    }
}

/// The places of the two that ratios are to.
pub(crate) fn place(contenders: &[Contender], name: &str) -> Option<usize> {
    contenders.iter().position(|contender| contender.name == name)
}

/// The ratio to somebody of that name, who may be missing.
pub(crate) fn ratio_to(contenders: &[Contender], name: &str, all: &[Series], mine: usize) -> Cell {
    let to = place(contenders, name);
    Cell::Number(to.map_or(f64::NAN, |to| ratio(&all[mine], &all[to])), 3)
}
