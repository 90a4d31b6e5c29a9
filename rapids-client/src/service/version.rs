//! Versions of services, as <https://semver.org> has them.

/// Whether a text is a version as semver.org has it, which those who ask expect.
pub(super) fn is_version(text: &str) -> bool {
    let (text, build) = split(text, '+');
    let (core, early) = split(text, '-');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let number = |part: &str| {
        !part.is_empty() && digits(part) && (part.len() == 1 || !part.starts_with('0'))
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let core: Vec<_> = core.split('.').collect();
    core.len() == 3
        && core.into_iter().all(number)
        && early.is_none_or(|early| early.split('.').all(|p| word(p) && (!digits(p) || number(p))))
        && build.is_none_or(|build| build.split('.').all(word))
}

fn split(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_three_numbers_and_what_may_follow() {
        for good in ["0.1.0", "1.22.333", "1.0.0-rc.1", "1.0.0-a-b+build.007", "1.0.0+7"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.x"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
