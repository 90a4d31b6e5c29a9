//! Which intervals include a number, however many there are.
//!
//! The bounds cut the line of numbers into positions: each bound is one, and each gap between
//! two. A segment tree over the positions holds each interval at a few of its nodes, and the
//! nodes above a position hold all that include it (de Berg et al., "Computational Geometry",
//! section 10.3).

use super::access::{Bound, Bounds};
use super::numeral::{Number, Numeral};

/// Intervals of numbers, each with what it stands for.
#[derive(Debug)]
pub(super) struct Numbers<P> {
    /// All bounds in their order, each with what stands for this number alone.
    bounds: Vec<(Number, Option<P>)>,
    /// The nodes of the tree; the root is the second, the positions are the second half.
    nodes: Vec<Vec<usize>>,
}

impl<P> Numbers<P> {
    /// Sorts intervals in; `point` makes something of those that include one number only.
    pub(super) fn new(
        intervals: &[(Bounds<'_>, usize)],
        mut point: impl FnMut(Vec<usize>) -> P,
    ) -> Self {
        let ends = intervals.iter().flat_map(|(bounds, _)| [bounds.lower, bounds.upper]);
        let mut numbers: Vec<&Number> = ends.flatten().map(|bound| bound.number).collect();
        numbers.sort_by(|left, right| left.numeral().compare(right.numeral()));
        numbers.dedup_by(|left, right| left.numeral().compare(right.numeral()).is_eq());
        let mut points = vec![Vec::new(); numbers.len()];
        let positions = 2 * numbers.len() + 1;
        let mut nodes = vec![Vec::new(); 2 * positions];
        let position = |bound: Bound<'_>| {
            let found =
                numbers.binary_search_by(|number| number.numeral().compare(bound.number.numeral()));
            2 * found.unwrap_or_else(|place| place) + 1
        };
        for (bounds, member) in intervals {
            let first =
                bounds.lower.map_or(0, |bound| position(bound) + usize::from(!bound.is_included));
            let behind = bounds
                .upper
                .map_or(positions, |bound| position(bound) + usize::from(bound.is_included));
            if first % 2 == 1 && behind == first + 1 {
                points[first / 2].push(*member);
            } else {
                insert(&mut nodes, first, behind, *member);
            }
        }
        let point = |members: Vec<usize>| (!members.is_empty()).then(|| point(members));
        let points: Vec<Option<P>> = points.into_iter().map(point).collect();
        Self { bounds: numbers.into_iter().cloned().zip(points).collect(), nodes }
    }

    /// Adds what includes the number, and tells what stands for it alone.
    pub(super) fn find(&self, number: Numeral<'_>, found: &mut Vec<usize>) -> Option<&P> {
        let place = self.bounds.binary_search_by(|(bound, _)| bound.numeral().compare(number));
        let position = place.map_or_else(|gap| 2 * gap, |bound| 2 * bound + 1);
        let mut node = self.nodes.len() / 2 + position;
        while node > 0 {
            if !self.nodes[node].is_empty() {
                found.extend_from_slice(&self.nodes[node]);
            }
            node /= 2;
        }
        self.bounds.get(place.ok()?)?.1.as_ref()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bounds.is_empty()
    }
}

/// Puts a member to the fewest nodes that cover the positions from `first` to before `behind`.
fn insert(nodes: &mut [Vec<usize>], first: usize, behind: usize, member: usize) {
    let leaves = nodes.len() / 2;
    let (mut left, mut right) = (leaves + first, leaves + behind);
    while left < right {
        if left % 2 == 1 {
            nodes[left].push(member);
            left += 1;
        }
        if right % 2 == 1 {
            right -= 1;
            nodes[right].push(member);
        }
        left /= 2;
        right /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_finds_the_intervals_that_include_it() {
        let numbers = ["-5", "0", "1.5", "15e-1", "7", "1e400"].map(Number::new);
        let ends = |is_included| {
            let bound = move |number| Some(Bound { number, is_included });
            numbers.iter().map(bound).chain([None]).collect::<Vec<_>>()
        };
        let mut intervals = Vec::new();
        for lower in ends(true).into_iter().chain(ends(false)) {
            for upper in ends(true).into_iter().chain(ends(false)) {
                intervals.push((Bounds { lower, upper }, intervals.len()));
            }
        }
        let index = Numbers::new(&intervals, |members| members);
        for text in ["-6", "-5", "-1", "-0", "1", "1.50", "2", "7.0", "8", "1e400", "1e401"] {
            let number = Number::new(text);
            let mut found = Vec::new();
            let alone = index.find(number.numeral(), &mut found).cloned().unwrap_or_default();
            found.extend(alone);
            found.sort_unstable();
            let includes = |(bounds, member): &(Bounds<'_>, usize)| {
                let order = |bound: Bound<'_>| number.numeral().compare(bound.number.numeral());
                let above =
                    |bound| order(bound).is_gt() || bound.is_included && order(bound).is_eq();
                let below =
                    |bound| order(bound).is_lt() || bound.is_included && order(bound).is_eq();
                (bounds.lower.is_none_or(above) && bounds.upper.is_none_or(below))
                    .then_some(*member)
            };
            let expected: Vec<usize> = intervals.iter().filter_map(includes).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
