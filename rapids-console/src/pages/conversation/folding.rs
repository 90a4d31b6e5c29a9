//! How the lines of a tree nest in lists, what is folded, and how much is within each fold.
//!
//! Lists nest only so deep: browsers flatten what is deeper than 512 elements, and no page is so wide. What
//! stands deeper follows in the same list, and says its level.

/// How many lists nest.
pub(super) const LEVELS: usize = 12;
/// A conversation with more lines than this is folded below level [`SHOWN`].
const LONG: usize = 150;
const SHOWN: usize = 2;

/// A line, as far as folding goes by it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// How many lines it stands below.
    pub(super) depth: usize,
    pub(super) is_letter: bool,
    /// Whether it is to be seen whatever is folded.
    pub(super) is_wanted: bool,
}

/// How a line is nested.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Whether a list begins below it.
    pub(crate) opens: bool,
    /// Whether that is unfolded.
    pub(crate) is_open: bool,
    /// How many lists end behind it.
    pub(crate) closes: usize,
    /// How many packets and letters stand below it.
    pub(crate) packets: usize,
    pub(crate) letters: usize,
}

/// The folds of lines in the order of the tree; with `is_unfolded` none is folded.
pub(super) fn folds(places: &[Place], is_unfolded: bool) -> Vec<Fold> {
    let is_short = is_unfolded || places.len() <= LONG;
    let level = |place: &Place| place.depth.min(LEVELS);
    let mut folds = vec![Fold::default(); places.len()];
    // The lines that the present one stands below.
    let mut above: Vec<usize> = Vec::new();
    for (line, place) in places.iter().enumerate() {
        above.truncate(place.depth);
        for upper in &above {
            folds[*upper].packets += usize::from(!place.is_letter);
            folds[*upper].letters += usize::from(place.is_letter);
            folds[*upper].is_open |= place.is_wanted;
        }
        above.push(line);
        let next = places.get(line + 1).map_or(0, level);
        let fold = &mut folds[line];
        fold.opens = line + 1 < places.len() && next > level(place);
        fold.closes = if fold.opens { 0 } else { level(place) - next };
        // What is within a fold is unfolded, so that one click shows all of it.
        fold.is_open |= is_short || place.depth != SHOWN;
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_depths(depths: &[usize]) -> Vec<Fold> {
        let places: Vec<_> =
            depths.iter().map(|depth| Place { depth: *depth, ..Place::default() }).collect();
        folds(&places, false)
    }

    #[test]
    fn lists_begin_and_end_with_the_depth() {
        let folds = of_depths(&[0, 1, 2, 1, 0]);
        let nested: Vec<_> = folds.iter().map(|fold| (fold.opens, fold.closes)).collect();
        assert_eq!(nested, [(true, 0), (true, 0), (false, 1), (false, 1), (false, 0)]);
        assert_eq!(folds[0].packets, 3);
        assert!(folds.iter().all(|fold| fold.is_open));
    }

    #[test]
    fn every_list_that_begins_ends_also_in_a_deep_chain() {
        let depths: Vec<usize> = (0..500).chain([3, 4, 1]).collect();
        let folds = of_depths(&depths);
        let begun = folds.iter().filter(|fold| fold.opens).count();
        assert_eq!(begun, folds.iter().map(|fold| fold.closes).sum::<usize>());
        assert_eq!(folds[0].packets, 502);
        assert_eq!(folds[LEVELS - 1].packets, 500 - LEVELS);
        let folded: Vec<_> = (0..folds.len()).filter(|line| !folds[*line].is_open).collect();
        assert_eq!(folded, [2], "one fold holds all that is deep");
    }

    #[test]
    fn what_is_wanted_is_seen_and_letters_are_counted_apart() {
        let mut places: Vec<_> = (0..200).map(|_| Place { depth: 3, ..Place::default() }).collect();
        for depth in [2, 1, 0] {
            places.insert(0, Place { depth, ..Place::default() });
        }
        places[100].is_letter = true;
        assert!(!folds(&places, false)[2].is_open);
        assert_eq!((folds(&places, false)[2].packets, folds(&places, false)[2].letters), (199, 1));
        assert!(folds(&places, true)[2].is_open);
        places[100].is_wanted = true;
        assert!(folds(&places, false)[2].is_open);
    }
}
