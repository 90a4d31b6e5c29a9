//! How often something happened in the window of the map.

use crate::times::rate;

/// A rate in the unit that people count it in: per second, minute or hour.
pub(super) fn often(packets: u64, seconds: f64) -> String {
    let per_second = packets as f64 / seconds.max(1.0);
    match per_second {
        _ if packets == 0 => "none".to_owned(),
        of if of >= 1.0 => format!("{}/s", rate(of)),
        of if of * 60.0 >= 1.0 => format!("{}/min", rate(of * 60.0)),
        of => format!("{}/h", rate(of * 3_600.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_the_unit_in_which_it_is_more_than_one() {
        let rates = [0, 1, 14, 15, 899, 900, 1_800_000].map(|packets| often(packets, 900.0));
        assert_eq!(rates, ["none", "4.0/h", "56/h", "1.0/min", "60/min", "1.0/s", "2,000/s"]);
    }
}
