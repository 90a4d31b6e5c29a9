//! A chart of lines over a logarithmic grid, as SVG.

use std::fmt::Write as _;

use super::axis::Axis;
use crate::table::grouped;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;

/// The room around the grid, for names and values.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 66.0;
const BOTTOM: f64 = 60.0;

/// The distance between the names of two lines.
const LINE_HEIGHT: f64 = 17.0;

/// Legible on light and dark pages: the picture has a background of its own, which follows the reader's
/// settings.
const STYLE: &str = "\
svg { font: 13px system-ui, sans-serif; } \
.page { fill: #ffffff; } .grid { stroke: #d0d7de; } .text { fill: #24292f; } .title { font-size: 15px; \
font-weight: 600; } .line { stroke-width: 2; } \
.c0 { stroke: #0969da; fill: #0969da; } .c1 { stroke: #bc4c00; fill: #bc4c00; } \
.c2 { stroke: #1a7f37; fill: #1a7f37; } .c3 { stroke: #8250df; fill: #8250df; } \
.c4 { stroke: #6e7781; fill: #6e7781; } .name { stroke: none; } .line { fill: none; } \
@media (prefers-color-scheme: dark) { .page { fill: #0d1117; } .grid { stroke: #30363d; } \
.text { fill: #e6edf3; } .c0 { stroke: #58a6ff; fill: #58a6ff; } .c1 { stroke: #f0883e; fill: #f0883e; } \
.c2 { stroke: #3fb950; fill: #3fb950; } .c3 { stroke: #bc8cff; fill: #bc8cff; } \
.c4 { stroke: #8b949e; fill: #8b949e; } .name { stroke: none; } .line { fill: none; } }";

/// How many colours the style has.
const COLOURS: usize = 5;

#[derive(Debug)]
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    /// What the values of x and y are.
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) lines: Vec<Line<'a>>,
}

#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<(f64, f64)>,
}

impl Chart<'_> {
    /// The picture; `None` if there is nothing to see on it.
    pub(super) fn svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Axis::of(points().map(|(x, _)| *x), LEFT, WIDTH - RIGHT)?.with_room();
        let y = Axis::of(points().map(|(_, y)| *y), HEIGHT - BOTTOM, TOP)?.in_decades();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
            self.title
        );
        self.grid(&mut svg, x, y);
        let places = self.names(y);
        for (number, (line, place)) in self.lines.iter().zip(places).enumerate() {
            draw(&mut svg, line, number % COLOURS, place, (x, y));
        }
        svg.push_str("</svg>\n");
        Some(svg)
    }

    fn grid(&self, svg: &mut String, x: Axis, y: Axis) {
        text(svg, "title", "start", (LEFT - 54.0, 24.0), self.title);
        text(svg, "", "start", (LEFT - 54.0, 44.0), self.y);
        text(svg, "", "middle", (f64::midpoint(LEFT, WIDTH - RIGHT), HEIGHT - 14.0), self.x);
        for tick in y.ticks() {
            let at = y.place(tick);
            rule(svg, (LEFT, at), (WIDTH - RIGHT, at));
            text(svg, "", "end", (LEFT - 8.0, at + 4.0), &shown(tick));
        }
        for tick in self.steps() {
            let at = x.place(tick);
            rule(svg, (at, TOP), (at, HEIGHT - BOTTOM));
            text(svg, "", "middle", (at, HEIGHT - BOTTOM + 18.0), &shown(tick));
        }
    }

    /// The values of x at which something was measured.
    fn steps(&self) -> Vec<f64> {
        let mut steps: Vec<f64> =
            self.lines.iter().flat_map(|line| line.points.iter().map(|(x, _)| *x)).collect();
        steps.sort_by(f64::total_cmp);
        steps.dedup();
        steps
    }

    /// Where the name of each line stands: beside its end, but below the name above it.
    fn names(&self, y: Axis) -> Vec<f64> {
        let end = |line: &Line<'_>| line.points.last().map_or(TOP, |(_, value)| y.place(*value));
        let mut ends: Vec<(usize, f64)> = self.lines.iter().map(end).enumerate().collect();
        ends.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        let mut places = vec![TOP; self.lines.len()];
        let mut free = TOP;
        for (number, end) in ends {
            places[number] = end.max(free);
            free = places[number] + LINE_HEIGHT;
        }
        places
    }
}

fn draw(svg: &mut String, line: &Line<'_>, colour: usize, name: f64, (x, y): (Axis, Axis)) {
    // What is not above zero has no place on a logarithmic axis.
    let shown = line.points.iter().filter(|(_, value)| *value > 0.0);
    let points: Vec<_> = shown.map(|(at, value)| (x.place(*at), y.place(*value))).collect();
    let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "<polyline class=\"c{colour} line\" points=\"{}\"/>", path.join(" "));
    for (x, y) in points {
        let _ = writeln!(svg, "<circle class=\"c{colour}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>");
    }
    text(svg, &format!("c{colour} name"), "start", (WIDTH - RIGHT + 12.0, name + 4.0), line.name);
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), text: &str) {
    // A colour of its own comes after `text` in the style, and wins.
    let _ = writeln!(
        svg,
        "<text class=\"text {class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    );
}

fn shown(value: f64) -> String {
    if value < 1.0 {
        return format!("{value}");
    }
    // The cast saturates.
    grouped(value.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(lines: Vec<Line<'_>>) -> Option<String> {
        Chart { title: "Cost", x: "services", y: "us", lines }.svg()
    }

    #[test]
    fn each_line_has_its_name_and_its_points() {
        let line = |name, value| Line { name, points: vec![(1.0, value), (4.0, 2.0 * value)] };
        let svg = chart(vec![line("shared", 10.0), line("bundled", 10.0)]).unwrap();
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert_eq!(svg.matches("<circle").count(), 4);
        for text in [">shared<", ">bundled<", ">services<", ">20<"] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
    }

    #[test]
    fn names_at_the_same_place_stand_below_each_other() {
        let line = |name| Line { name, points: vec![(1.0, 5.0), (4.0, 5.0)] };
        let chart = Chart { title: "", x: "", y: "", lines: vec![line("a"), line("b")] };
        let axis = Axis::of([5.0].into_iter(), 300.0, 0.0).unwrap();
        let places = chart.names(axis);
        assert_eq!(places[1] - places[0], LINE_HEIGHT);
    }

    #[test]
    fn values_that_cannot_be_shown_are_left_out() {
        let points = vec![(1.0, -0.2), (4.0, 0.3)];
        let svg = chart(vec![Line { name: "bundled", points }]).unwrap();
        assert_eq!(svg.matches("<circle").count(), 1);
        assert!(chart(Vec::new()).is_none());
    }
}
