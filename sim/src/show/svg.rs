//! A life as a time line in SVG: the terminal's layout, drawn.
//!
//! A column is [`CELL`] wide, which is a little more than a character of any usual monospaced
//! font of that size, so that what does not overlap in the terminal does not overlap here. The
//! file needs nothing from elsewhere; it brings its background, so that its colours can be read
//! on any page, and a dark set for those who prefer that.

use std::fmt::{self, Display, Write};

use super::layout::{LEGEND, LINES, Lane, Panel, Span, Style, margin, panels};
use super::life::{Being, Life};
use crate::setting::Setting;
use crate::world::World;

/// How wide a column is.
const CELL: usize = 8;

/// The most columns of a panel: what a page of documentation has room for, with the names.
const COLUMNS: usize = 112;

/// How high the row of a process is: a text above a line.
const ROW: usize = 32;

/// How high a row of text is.
const TEXT: usize = 22;

/// What is left free around everything.
const EDGE: usize = 16;

const STYLE: &str = "\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
white-space:pre;fill:#1f2328}
.page{fill:#ffffff}.band{fill:#eef1f4}.rule{stroke:#d0d7de;stroke-width:1}
.runs{fill:#57606a}.stopped{fill:#57606a;opacity:.35}.hangs{fill:#cf222e}
.zombie{fill:none;stroke:#57606a;stroke-dasharray:2 2}
.gap{fill:#f6f8fa}.frozen{fill:#ddf4ff}
.dim{fill:#59636e}.init{fill:#0550ae}.engine{fill:#7d4e00}.kernel{fill:#8250df}
.process{fill:#0a6c74}.handler{fill:#116329}.dead{fill:#cf222e}
.init,.engine,.kernel,.dead{font-weight:bold}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}
.page{fill:#0d1117}.band{fill:#21262d}.rule{stroke:#30363d}
.runs{fill:#9198a1}.stopped{fill:#9198a1}.hangs{fill:#ff7b72}
.zombie{stroke:#9198a1}
.gap{fill:#161b22}.frozen{fill:#0c2d4a}
.dim{fill:#9198a1}.init{fill:#79c0ff}.engine{fill:#e3b341}.kernel{fill:#d2a8ff}
.process{fill:#56d4dd}.handler{fill:#7ee787}.dead{fill:#ff7b72}
}";

/// A life as a time line in SVG, for documents: the same rows and signs as in the terminal. What
/// the table of the terminal says is its description, for those who do not see it.
pub fn timeline_svg(world: &World, setting: &Setting) -> String {
    let life = Life::of(world);
    let panels = panels(&life, COLUMNS);
    let margin = EDGE + CELL * margin(&life);
    let columns = panels.iter().map(|panel| panel.width).max().unwrap_or(0).max(60);
    let width = margin + CELL * columns + EDGE;
    let mut body = String::new();
    let mut y = EDGE;
    for panel in &panels {
        y = draw(&mut body, panel, margin, y) + EDGE;
    }
    y = legend(&mut body, width, y);
    let height = y + EDGE;
    let mut text = head(width, height, "A life, as a time line", &describe(&life, setting), STYLE);
    text.push_str(&body);
    text.push_str("</svg>\n");
    text
}

/// The beginning of a file: who cannot see it hears its title and description.
pub(super) fn head(width: usize, height: usize, title: &str, what: &str, style: &str) -> String {
    let (title, what) = (Escaped(title), Escaped(what));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"title desc\">\n\
         <title id=\"title\">{title}</title>\n<desc id=\"desc\">{what}</desc>\n\
         <style>\n{style}\n</style>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n"
    )
}

/// A text that may stand between tags.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sign in self.0.chars() {
            match sign {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // XML has no way to write the others.
                sign if sign.is_control() && sign != '\n' => f.write_char('\u{fffd}')?,
                sign => f.write_char(sign)?,
            }
        }
        Ok(())
    }
}

fn describe(life: &Life, setting: &Setting) -> String {
    let mut text = format!("{}\n", setting.policy);
    for row in &life.rows {
        let _ = write!(text, "{} {}", row.pid, row.programs.join("→"));
        if let Some(sent) = life.sent(row) {
            let _ = write!(text, "; sent {sent}");
        }
        if let (Some(how), Some(when)) = (row.ending(), life.since(row, Being::Zombie)) {
            let _ = write!(text, "; {how} at {when}");
        }
        text.push_str(".\n");
    }
    text
}

fn text(to: &mut String, x: usize, y: usize, class: &str, what: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    let _ = writeln!(to, "<text x=\"{x}\" y=\"{y}\"{class}>{}</text>", Escaped(what));
}

fn rect(to: &mut String, class: &str, [x, y, width, height]: [usize; 4]) {
    let _ = writeln!(
        to,
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"/>"
    );
}

/// Draws a panel from `top` on, and returns where it ends.
fn draw(to: &mut String, panel: &Panel, margin: usize, top: usize) -> usize {
    let x = |column: usize| margin + CELL * column;
    let heads = 1 + usize::from(!panel.engine.is_empty()) + usize::from(!panel.phases.is_empty());
    let bottom = top + heads * TEXT + panel.lanes.len() * ROW + 6;
    for gap in &panel.gaps {
        let class = if gap.what { "frozen" } else { "gap" };
        let wide = CELL * (gap.to - gap.from);
        rect(to, class, [x(gap.from), top, wide, bottom - top]);
    }
    let mut y = top;
    for time in &panel.times {
        text(to, x(time.at), y + 15, "dim", &time.text);
    }
    y += TEXT;
    if !panel.engine.is_empty() {
        text(to, EDGE, y + 15, "", "engine");
        for label in &panel.engine {
            text(to, x(label.at), y + 15, "engine", &label.text);
        }
        y += TEXT;
    }
    if !panel.phases.is_empty() {
        text(to, EDGE, y + 15, "", "phase");
        for span in &panel.phases {
            let wide = CELL * (span.to - span.from) - 2;
            rect(to, "band", [x(span.from), y + 1, wide, TEXT - 3]);
            text(to, x(span.from) + 4, y + 15, "", &span.what);
        }
        y += TEXT;
    }
    for (at, lane) in panel.lanes.iter().enumerate() {
        draw_lane(to, lane, x, y + at * ROW + 4);
    }
    bottom
}

fn draw_lane(to: &mut String, lane: &Lane, x: impl Fn(usize) -> usize, y: usize) {
    let depth = lane.name.chars().take_while(|sign| *sign == ' ').count();
    text(to, EDGE + depth * CELL, y + 24, "", lane.name.trim_start());
    for span in &lane.line {
        let at = Span { from: x(span.from), to: x(span.to), what: span.what };
        line(to, at, y + 19);
    }
    for label in &lane.labels {
        text(to, x(label.at), y + 13, class(label.style), &label.text);
    }
}

/// The line of a process, around that height.
fn line(to: &mut String, span: Span<Being>, y: usize) {
    let wide = span.to - span.from;
    match span.what {
        Being::Runs => rect(to, "runs", [span.from, y - 1, wide, 4]),
        Being::Stopped => rect(to, "stopped", [span.from, y, wide, 2]),
        Being::Hangs => rect(to, "hangs", [span.from, y - 1, wide, 4]),
        Being::Zombie => rect(to, "zombie", [span.from, y - 2, wide, 6]),
        Being::Gone => (),
    }
}

const fn class(style: Style) -> &'static str {
    match style {
        Style::Plain | Style::Phase => "",
        Style::Dim => "dim",
        Style::Init => "init",
        Style::Engine => "engine",
        Style::Kernel => "kernel",
        Style::Process => "process",
        Style::Handler => "handler",
        Style::Dead => "dead",
    }
}

/// Draws the legend from `top` on, and returns where it ends.
fn legend(to: &mut String, width: usize, top: usize) -> usize {
    /// How long the sample of a line is.
    const SAMPLE: usize = 3 * CELL;
    let (mut x, mut y) = (EDGE, top + 14);
    let mut place = |wide: usize| {
        if x + wide > width - EDGE && x > EDGE {
            x = EDGE;
            y += TEXT;
        }
        let at = (x, y);
        x += wide;
        at
    };
    for &(being, means) in LINES {
        let wide = SAMPLE + CELL * (means.chars().count() + 3);
        let (x, y) = place(wide);
        line(to, Span { from: x, to: x + SAMPLE, what: being }, y - 5);
        text(to, x + SAMPLE + CELL, y, "dim", means);
    }
    for &(sign, means, style) in LEGEND {
        let signs = CELL * (sign.chars().count() + 1);
        let wide = signs + CELL * (means.chars().count() + 2);
        let (x, y) = place(wide);
        text(to, x, y, class(style), sign);
        text(to, x + signs, y, "dim", means);
    }
    y
}
