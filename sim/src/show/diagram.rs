//! The state diagram, drawn from what a search found.
//!
//! The phases stand below each other in the order of a life, each always at its place. A change
//! to the next phase goes straight down; one that leaves phases out goes round on the right, one
//! back (no sound init has any) on the left. Changes around to the same phase share a line, which
//! is as far out as that phase is far down, and stands beside the names of what leads into it.

use std::fmt::Write;

use super::svg::{Escaped, head};
use crate::explore::{Changes, Place};

const PLACES: [Place; 7] = [
    Place::Starting,
    Place::Running,
    Place::Stopping,
    Place::Draining,
    Place::LastCall,
    Place::Killing,
    Place::Exited,
];

/// How wide a box is, and how high at least; and how much is between two of them.
const WIDE: usize = 132;
const HIGH: usize = 56;
const GAP: usize = 46;

/// What is left free around everything.
const EDGE: usize = 20;

/// How wide a character is at most.
const CHARACTER: usize = 8;

/// Between two lines that go round.
const LANE: usize = 22;

/// How far from the top of its box a way round ends; and begins, the first and each next one, so
/// that there is room for its events above it.
const ARRIVES: usize = 12;
const LEAVES: usize = 36;
const STEP: usize = 20;

/// How round the corners of a way are: who joins a line bends, who crosses it does not.
const BEND: usize = 10;

const STYLE: &str = "\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;\
fill:#59636e}
.page{fill:#ffffff}.box{fill:#ddf4ff;stroke:#0550ae;stroke-width:1.5}
.name{fill:#0a3069;font-weight:bold;text-anchor:middle}
.way{fill:none;stroke:#57606a;stroke-width:1.5}.tip{fill:#57606a}
@media (prefers-color-scheme:dark){
text{fill:#9198a1}
.page{fill:#0d1117}.box{fill:#0c2d4a;stroke:#79c0ff}.name{fill:#cae8ff}
.way{stroke:#9198a1}.tip{fill:#9198a1}
}";

/// The changes of phase that were found, as a state diagram in SVG: what was not found is not
/// there. The words at an arrow are the kinds of events that lead that way.
pub fn diagram_svg(changes: &Changes) -> String {
    let round: Vec<Way> = ways(changes).filter(|way| way.from + 1 != way.to).collect();
    let (back, on): (Vec<&Way>, Vec<&Way>) = round.iter().partition(|way| way.to < way.from);
    let room = |ways: &[&Way]| {
        let longest = ways.iter().map(|way| CHARACTER * way.events.len()).max();
        longest.map_or(0, |longest| longest + 2 * CHARACTER + LANE * lanes(ways).len())
    };
    let left = EDGE + room(&back);
    let right = left + WIDE;
    // What goes straight down is named beside its arrow.
    let straight = ways(changes).filter(|way| way.from + 1 == way.to);
    let named = straight.map(|way| WIDE / 2 + CHARACTER * (way.events.len() + 2)).max();
    let width = (right + room(&on)).max(left + named.unwrap_or(0)) + EDGE;
    // The more ways round begin at a box, the higher it is, and with it all of them.
    let begin = |ways: &[&Way], place| ways.iter().filter(|way| way.from == place).count();
    let most = (0..PLACES.len()).map(|place| begin(&on, place).max(begin(&back, place))).max();
    let high = HIGH.max(LEAVES + STEP * most.unwrap_or(0) - STEP / 2);
    let top = |place: usize| EDGE + place * (high + GAP);
    let height = 2 * EDGE + PLACES.len() * (high + GAP) - GAP;

    let mut svg = head(width, height, "The phases of a life", &describe(changes), STYLE);
    for way in ways(changes).filter(|way| way.from + 1 == way.to) {
        down(&mut svg, left + WIDE / 2, [top(way.from) + high, top(way.to)], &way.events);
    }
    around(&mut svg, &on, right, true, top);
    around(&mut svg, &back, left, false, top);
    for (at, place) in PLACES.iter().enumerate() {
        if changes.keys().any(|(from, to)| from == place || to == place) {
            draw_box(&mut svg, [left, top(at), high], *place);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// A change of phase: places by their number, and the events as one text.
struct Way {
    from: usize,
    to: usize,
    events: String,
}

fn ways(changes: &Changes) -> impl Iterator<Item = Way> + '_ {
    let number = |place: Place| PLACES.iter().position(|of| *of == place).unwrap_or(0);
    changes.iter().map(move |((from, to), events)| Way {
        from: number(*from),
        to: number(*to),
        events: events.iter().copied().collect::<Vec<_>>().join(", "),
    })
}

/// The phases that are gone round to, the nearest line first.
fn lanes(ways: &[&Way]) -> Vec<usize> {
    let mut lanes: Vec<usize> = ways.iter().map(|way| way.to).collect();
    lanes.sort_unstable();
    lanes.dedup();
    if ways.iter().all(|way| way.to < way.from) {
        lanes.reverse();
    }
    lanes
}

fn down(svg: &mut String, x: usize, [from, to]: [usize; 2], events: &str) {
    let _ = writeln!(svg, "<path class=\"way\" d=\"M{x} {from}V{}\"/>", to - 8);
    let (a, b) = (x - 5, x + 5);
    let _ = writeln!(svg, "<path class=\"tip\" d=\"M{x} {to}L{a} {0}H{b}Z\"/>", to - 10);
    label(svg, x + CHARACTER, from.midpoint(to) + 4, "start", events);
}

fn label(svg: &mut String, x: usize, y: usize, anchor: &str, text: &str) {
    let text = Escaped(text);
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>");
}

/// The ways round on one side, which begins at `side`; `top` is where a phase's box begins.
fn around(
    svg: &mut String,
    ways: &[&Way],
    side: usize,
    to_the_right: bool,
    top: impl Fn(usize) -> usize,
) {
    let lanes = lanes(ways);
    let longest = ways.iter().map(|way| CHARACTER * way.events.len()).max().unwrap_or(0);
    let out = |by: usize| if to_the_right { side + by } else { side.saturating_sub(by) };
    let anchor = if to_the_right { "start" } else { "end" };
    for way in ways {
        let nth = ways.iter().filter(|of| of.from == way.from && of.to < way.to).count();
        let lane = lanes.iter().position(|lane| *lane == way.to).unwrap_or(0);
        let lane = longest + 2 * CHARACTER + LANE * lane;
        let (x, bend) = (out(lane), out(lane - BEND));
        let (from, to) = (top(way.from) + LEAVES + STEP * nth, top(way.to) + ARRIVES);
        let (begin, end) = (out(0), out(8));
        let [low, high] =
            if from < to { [from + BEND, to - BEND] } else { [from - BEND, to + BEND] };
        let _ = writeln!(
            svg,
            "<path class=\"way\" d=\"M{begin} {from}H{bend}Q{x} {from} {x} {low}\
             V{high}Q{x} {to} {bend} {to}H{end}\"/>"
        );
        label(svg, out(CHARACTER), from - 5, anchor, &way.events);
    }
    for place in lanes {
        let (y, tip, wide) = (top(place) + ARRIVES, out(0), out(10));
        let (a, b) = (y - 5, y + 5);
        let _ = writeln!(svg, "<path class=\"tip\" d=\"M{tip} {y}L{wide} {a}V{b}Z\"/>");
    }
}

fn draw_box(svg: &mut String, [x, y, height]: [usize; 3], place: Place) {
    let width = WIDE;
    let _ = writeln!(
        svg,
        "<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>"
    );
    let (middle, base) = (x + width / 2, y + height / 2 + 5);
    let name = format!("{place:?}");
    let _ =
        writeln!(svg, "<text class=\"name\" x=\"{middle}\" y=\"{base}\">{}</text>", Escaped(&name));
}

fn describe(changes: &Changes) -> String {
    let mut text = String::new();
    for ((from, to), events) in changes {
        let events: Vec<&str> = events.iter().copied().collect();
        let _ = writeln!(text, "{from:?} to {to:?}: {}.", events.join(", "));
    }
    text
}
