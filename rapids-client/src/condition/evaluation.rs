//! One packet that expressions are evaluated on: what is known of it, and what that may still cost.
//!
//! All rivers of a service share it. So each array and object is opened once, each pattern in the
//! packet is compiled once, and a part that is the same for all elements of a filter is evaluated
//! once. What expressions mean is left to [`evaluate`](super::evaluate).

use std::cell::RefCell;
use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::budget::{Budget, NODE, STEPS, TooCostly};
use super::operand::Operand;
use super::pattern::{self, Compiled, Extent};
use super::tree::{Logic, Value};
use crate::json::{Kind, Node, Step, Text, position};

/// The longest pattern in bytes that may stand in a packet.
const MAX_PATTERN: usize = 1_000;
/// What compiling such a pattern costs, and each byte of it.
const COMPILE: usize = 20_000;
const COMPILE_BYTE: usize = 10_000;
/// How many of them are kept.
const MAX_PATTERNS: usize = 64;

/// The path of a repeated key, if there is one.
pub(crate) type RepeatedKey = Result<Option<String>, TooCostly>;

/// A packet on which expressions are evaluated.
#[derive(Debug)]
pub(crate) struct Evaluation<'a> {
    packet: Node<'a>,
    budget: Budget,
    /// Arrays and objects by the address of their text.
    opened: RefCell<FxHashMap<usize, Rc<Opened<'a>>>>,
    /// By the address of the part of the expression, which outlives the evaluation.
    values: RefCell<FxHashMap<usize, Operand<'a>>>,
    truths: RefCell<FxHashMap<usize, bool>>,
    repeats: RefCell<FxHashMap<usize, Option<String>>>,
    patterns: RefCell<Vec<FoundPattern<'a>>>,
}

/// A pattern of the packet; nothing if it is no regular expression.
#[derive(Debug)]
struct FoundPattern<'a> {
    text: Text<'a>,
    extent: Extent,
    regex: Option<Rc<Compiled>>,
}

/// An array or object, one level of it.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    /// Of repeated keys only the first.
    pub(super) children: Vec<(Key<'a>, Node<'a>)>,
    /// The first key that is there more than once.
    pub(super) repeated: Option<Text<'a>>,
}

/// Where a child stands in its parent.
#[derive(Debug, Clone)]
pub(super) enum Key<'a> {
    Name(Text<'a>),
    Index(usize),
}

impl<'a> Evaluation<'a> {
    /// An evaluation of a packet that so many rivers will judge.
    pub(crate) fn of(packet: Node<'a>, rivers: usize) -> Self {
        Self::within(packet, STEPS, rivers)
    }

    /// The same with another number of steps.
    pub(super) fn within(packet: Node<'a>, steps: u64, rivers: usize) -> Self {
        Self {
            packet,
            budget: Budget::new(steps, rivers),
            opened: RefCell::default(),
            values: RefCell::default(),
            truths: RefCell::default(),
            repeats: RefCell::default(),
            patterns: RefCell::default(),
        }
    }

    /// The next river begins to judge.
    pub(crate) fn next_river(&self) {
        self.budget.next();
    }

    /// How many steps are left.
    #[cfg(test)]
    pub(super) fn left(&self) -> u64 {
        self.budget.left()
    }

    pub(super) fn packet(&self) -> Node<'a> {
        self.packet
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Counts work.
    pub(crate) fn spend(&self, steps: usize) -> Result<(), TooCostly> {
        self.budget.spend(steps)
    }

    /// Looks one level into an array or object; nothing is in any other value.
    pub(super) fn open(&self, node: Node<'a>) -> Result<Rc<Opened<'a>>, TooCostly> {
        self.spend(NODE)?;
        let address = node.address();
        if let Some(opened) = self.opened.borrow().get(&address) {
            return Ok(opened.clone());
        }
        self.spend(node.size())?;
        let opened = Rc::new(Opened::new(node));
        self.spend(opened.children.len().saturating_mul(NODE))?;
        self.opened.borrow_mut().insert(address, opened.clone());
        Ok(opened)
    }

    /// Goes one step down; `None` where nothing is.
    pub(super) fn step(&self, node: Node<'a>, step: &Step) -> Result<Option<Node<'a>>, TooCostly> {
        match step {
            Step::Name(name) => self.member(node, name),
            Step::Index(index) => {
                let opened = self.open(node)?;
                Ok(opened.element(*index).map(|(_, element)| element))
            }
        }
    }

    /// Goes down step by step; `None` where nothing is.
    pub(super) fn walk(
        &self,
        from: Node<'a>,
        steps: &[Step],
    ) -> Result<Option<Node<'a>>, TooCostly> {
        let mut node = from;
        for step in steps {
            match self.step(node, step)? {
                Some(child) => node = child,
                None => return Ok(None),
            }
        }
        Ok(Some(node))
    }

    /// Finds an object's member.
    pub(super) fn member(&self, node: Node<'a>, name: &str) -> Result<Option<Node<'a>>, TooCostly> {
        self.spend(NODE.saturating_add(node.size()))?;
        Ok(node.member(name))
    }

    /// Tells whether an object holds the key more than once.
    pub(super) fn repeats(&self, node: Node<'a>, name: &str) -> Result<bool, TooCostly> {
        self.spend(NODE.saturating_add(node.size()))?;
        Ok(node.repeats(name))
    }

    /// The value of a node, as comparisons take it.
    pub(super) fn operand(&self, node: Node<'a>) -> Result<Operand<'a>, TooCostly> {
        // A string is searched for escapes.
        let is_string = |text: &str| text.starts_with('"');
        self.spend(NODE + node.raw().filter(|text| is_string(text)).map_or(0, str::len))?;
        Ok(Operand::from(node))
    }

    /// A value that is the same for all elements of a filter.
    pub(super) fn fixed_value(
        &self,
        value: &'a Value,
        find: impl FnOnce() -> Result<Operand<'a>, TooCostly>,
    ) -> Result<Operand<'a>, TooCostly> {
        kept(&self.values, std::ptr::from_ref(value).addr(), find)
    }

    /// The truth of a condition that is the same for all elements of a filter.
    pub(super) fn fixed_truth(
        &self,
        logic: &'a Logic,
        find: impl FnOnce() -> Result<bool, TooCostly>,
    ) -> Result<bool, TooCostly> {
        kept(&self.truths, std::ptr::from_ref(logic).addr(), find)
    }

    /// A repeated key that is the same for all elements of a filter, by the address of the part.
    pub(super) fn fixed_repeats(
        &self,
        address: usize,
        find: impl FnOnce() -> RepeatedKey,
    ) -> RepeatedKey {
        kept(&self.repeats, address, find)
    }

    /// Compiles a pattern that stands in the packet; nothing if it is no regular expression.
    pub(super) fn pattern(
        &self,
        text: &Text<'a>,
        extent: Extent,
    ) -> Result<Option<Rc<Compiled>>, TooCostly> {
        let length = text.bytes().len();
        self.spend(NODE.saturating_add(length))?;
        for found in self.patterns.borrow().iter() {
            self.spend(1)?;
            if found.extent == extent && found.text == *text {
                return Ok(found.regex.clone());
            }
        }
        if length > MAX_PATTERN {
            return Err(TooCostly::Pattern);
        }
        self.spend(COMPILE + length * COMPILE_BYTE)?;
        let compiled = std::str::from_utf8(text.bytes())
            .map_or(Err(pattern::Fault::Unsound(String::new())), |text| {
                pattern::compile(text, extent, pattern::MAX_FOUND)
            });
        let regex = match compiled {
            Ok(regex) => {
                self.spend(regex.cost())?;
                Some(Rc::new(regex))
            }
            Err(pattern::Fault::TooLarge) => return Err(TooCostly::Pattern),
            Err(pattern::Fault::Unsound(_)) => None,
        };
        let mut patterns = self.patterns.borrow_mut();
        if patterns.len() < MAX_PATTERNS {
            patterns.push(FoundPattern { text: text.clone(), extent, regex: regex.clone() });
        }
        Ok(regex)
    }
}

/// What is known at an address. If nothing is, it is found and kept.
fn kept<T: Clone>(
    known: &RefCell<FxHashMap<usize, T>>,
    address: usize,
    find: impl FnOnce() -> Result<T, TooCostly>,
) -> Result<T, TooCostly> {
    if let Some(known) = known.borrow().get(&address) {
        return Ok(known.clone());
    }
    let found = find()?;
    known.borrow_mut().insert(address, found.clone());
    Ok(found)
}

impl<'a> Opened<'a> {
    fn new(node: Node<'a>) -> Self {
        match node.kind() {
            Kind::Array => {
                let keyed = |(position, child)| (Key::Index(position), child);
                let children = node.elements().into_iter().enumerate().map(keyed).collect();
                Self { children, repeated: None }
            }
            Kind::Object => {
                let keyed = |(key, child)| (Key::Name(key), child);
                let children = node.distinct_members().into_iter().map(keyed).collect();
                Self { children, repeated: node.repeated() }
            }
            _ => Self { children: Vec::new(), repeated: None },
        }
    }

    /// An element of an array, from its end if the index is negative; none of an object.
    pub(super) fn element(&self, index: i64) -> Option<(Key<'a>, Node<'a>)> {
        let (key, element) = self.children.get(position(index, self.children.len())?)?;
        matches!(key, Key::Index(_)).then(|| (key.clone(), *element))
    }

    /// The elements of an array; none of an object.
    pub(super) fn elements(&self) -> &[(Key<'a>, Node<'a>)] {
        match self.children.first() {
            Some((Key::Index(_), _)) => &self.children,
            _ => &[],
        }
    }
}
