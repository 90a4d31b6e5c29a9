//! What an expression found in a packet, for people who ask why it holds or does not.
//!
//! Goes into the elements that a filter tested, and says where a value is of another type than
//! what it is compared with. How a finding is worded is left to the rivers.

mod queries;

use super::budget::TooCostly;
use super::evaluate::Scope;
use super::evaluation::{Evaluation, Key};
use super::node_path::NodePath;
use super::tree::{Logic, Origin, Query, Segment, Selector};
use crate::json::{Node, Step, description};
use queries::{AskedQuery, selectors};

/// Longest value of a [`Finding`] in characters.
const MAX_VALUE: usize = 80;
/// What was found is told of so many of the elements that a query tests.
const MAX_ELEMENTS: usize = 5;
/// So many children are looked at for elements. Those beyond are not even counted.
const MAX_CHILDREN: usize = 10_000;
/// An element whose path takes more bytes to write is left out.
const MAX_PATH: usize = 256;

/// What the queries of an expression found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) found: Vec<Finding>,
    /// How many elements were tested of which nothing is told.
    pub(crate) left_out: usize,
}

/// What a query of an expression found in a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The query in its normal form, from the packet on.
    pub(crate) query: String,
    /// The JSON text of what is there, several values in brackets, cut to 80 characters, or what it
    /// is like; `None` where nothing is.
    pub(crate) value: Option<String>,
    /// That it is of another type than what it is compared with.
    pub(crate) mismatch: Option<String>,
}

/// What each distinct query of the packet finds, in the order of the text; with what the filters
/// found in each element, if that is asked for. Values are described where they are not shown.
pub(super) fn of<'a>(
    logic: &'a Logic,
    evaluation: &Evaluation<'a>,
    with_elements: bool,
    shows_values: bool,
) -> Result<Findings, TooCostly> {
    let findings = Findings::default();
    let mut search =
        Search { evaluation, with_elements, shows_values, shown: 0, looked_at: 0, findings };
    let (scope, origin) = (Scope::of(evaluation), Origin::Packet);
    search.logic(logic, Asker { scope, path: &NodePath::Root, text: "@", origin })?;
    Ok(search.findings)
}

/// Whose queries are asked: those of the packet, or those of an element.
#[derive(Clone, Copy)]
struct Asker<'p, 'e, 'a> {
    scope: Scope<'e, 'a>,
    /// The node that `@` stands for.
    path: &'p NodePath<'p>,
    /// That path as text.
    text: &'p str,
    origin: Origin,
}

struct Search<'e, 'a> {
    evaluation: &'e Evaluation<'a>,
    with_elements: bool,
    shows_values: bool,
    shown: usize,
    looked_at: usize,
    findings: Findings,
}

impl<'e, 'a> Search<'e, 'a> {
    fn logic(&mut self, logic: &'a Logic, asker: Asker<'_, 'e, 'a>) -> Result<(), TooCostly> {
        for AskedQuery { query, text, wanted } in queries::asked(logic, asker.origin) {
            let nodes = query.nodes(asker.scope)?;
            for node in nodes.iter().take(MAX_VALUE) {
                let size = if node.raw().is_none() { node.size() } else { MAX_VALUE };
                self.evaluation.spend(size)?;
            }
            let mismatch = match nodes.as_slice() {
                [node] if query.is_singular() => queries::mismatch(*node, &wanted),
                _ => None,
            };
            // Both begin with `@`, which stands for the asker's node in the second.
            let text = format!("{}{}", asker.text, &text[1..]);
            let value = if self.shows_values { shortened(&nodes) } else { outlined(&nodes) };
            self.findings.found.push(Finding { query: text, value, mismatch });
            if self.with_elements {
                self.elements(query, asker)?;
            }
        }
        Ok(())
    }

    /// Goes to the elements that the filters of a query test.
    fn elements(&mut self, query: &'a Query, asker: Asker<'_, 'e, 'a>) -> Result<(), TooCostly> {
        let is_filter = |selector: &Selector| matches!(selector, Selector::Filter(_));
        let has_filter = |segment: &Segment| selectors(segment).iter().any(is_filter);
        let Some(last) = query.segments.iter().rposition(has_filter) else {
            return Ok(());
        };
        if asker.origin == Origin::Packet {
            self.shown = 0;
        }
        let (steps, segments) = (query.path.steps(), &query.segments[..=last]);
        self.steps(steps, segments, asker.scope.element, asker.path, asker.scope)
    }

    fn steps(
        &mut self,
        steps: &'a [Step],
        segments: &'a [Segment],
        node: Node<'a>,
        path: &NodePath<'_>,
        scope: Scope<'e, 'a>,
    ) -> Result<(), TooCostly> {
        let Some((step, rest)) = steps.split_first() else {
            return self.segments(segments, node, path, scope);
        };
        let child = match step {
            Step::Name(name) => {
                let child = self.evaluation.member(node, name)?;
                child.map(|child| (Key::Name((&**name).into()), child))
            }
            Step::Index(index) => self.evaluation.open(node)?.element(*index),
        };
        let Some((key, child)) = child else {
            return Ok(());
        };
        self.steps(rest, segments, child, &NodePath::Under(path, &key), scope)
    }

    fn segments(
        &mut self,
        segments: &'a [Segment],
        node: Node<'a>,
        path: &NodePath<'_>,
        scope: Scope<'e, 'a>,
    ) -> Result<(), TooCostly> {
        let Some((segment, rest)) = segments.split_first().filter(|_| self.goes_on()) else {
            return Ok(());
        };
        for selector in selectors(segment) {
            if let Selector::Filter(logic) = selector {
                self.tested(logic, node, path, scope)?;
            }
            if !rest.is_empty() {
                for (key, child) in selector.children(node, scope)? {
                    self.segments(rest, child, &NodePath::Under(path, &key), scope)?;
                }
            }
        }
        if matches!(segment, Segment::Descendants(_)) {
            for (key, child) in &self.evaluation.open(node)?.children {
                self.segments(segments, *child, &NodePath::Under(path, key), scope)?;
            }
        }
        Ok(())
    }

    /// Tells what a filter found in the first elements, and counts the others.
    fn tested(
        &mut self,
        logic: &'a Logic,
        parent: Node<'a>,
        path: &NodePath<'_>,
        scope: Scope<'e, 'a>,
    ) -> Result<(), TooCostly> {
        let opened = self.evaluation.open(parent)?;
        self.looked_at += opened.children.len();
        for (key, element) in &opened.children {
            let path = &NodePath::Under(path, key);
            let text = Some(path).filter(|_| self.shown < MAX_ELEMENTS).map(NodePath::text);
            let Some(text) = text.filter(|text| text.len() <= MAX_PATH) else {
                self.findings.left_out += 1;
                continue;
            };
            self.shown += 1;
            let (scope, origin) = (scope.at(*element), Origin::Element);
            self.logic(logic, Asker { scope, path, text: &text, origin })?;
        }
        Ok(())
    }

    fn goes_on(&self) -> bool {
        self.looked_at < MAX_CHILDREN
    }
}

/// The distinct queries of the packet, in the order of the text.
#[cfg(test)]
pub(super) fn queries(logic: &Logic) -> Vec<String> {
    queries::asked(logic, Origin::Packet).into_iter().map(|asked| asked.text).collect()
}

/// Says what was found without its content.
fn outlined(nodes: &[Node<'_>]) -> Option<String> {
    match nodes {
        [] => None,
        [node] => Some(description(*node)),
        nodes => Some(format!("{} values", nodes.len())),
    }
}

/// Writes what was found, no further than it will be shown.
fn shortened(nodes: &[Node<'_>]) -> Option<String> {
    let mut value = match nodes {
        [] => return None,
        [node] => start_of(&node.text()),
        nodes => {
            let mut list = String::from("[");
            // A node takes two characters at least, so these are more than will be shown.
            for (position, node) in nodes.iter().take(MAX_VALUE).enumerate() {
                list.push_str(if position == 0 { "" } else { "," });
                list.push_str(&start_of(&node.text()));
            }
            list.push(']');
            list
        }
    };
    if let Some((end, _)) = value.char_indices().nth(MAX_VALUE) {
        value.truncate(end);
        value.push('…');
    }
    Some(value)
}

/// One character more than is shown, so that the cut is noticed.
fn start_of(text: &str) -> String {
    text.chars().take(MAX_VALUE + 1).collect()
}
